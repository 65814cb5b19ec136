"""A lock file that one process holds, and that the system frees when that process dies."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
import weakref
from pathlib import Path

from vlreward.errors import UserError

__all__ = ["FileLock", "LockedError"]


class LockedError(UserError, RuntimeError):
    """Another process holds the lock."""


class FileLock:
    """Holds `path` locked until `release`.

    The lock belongs to the open file, not to the file's existence: a file left behind by a
    process that was killed does not block anyone, and neither do its forks, which close theirs.
    A file system without locks locks nobody out.

    Args:
        path: The lock file; created, and removed on release.

    Raises:
        LockedError: If another process (or another `FileLock` here) holds it; says which.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            if not _try_lock(descriptor):
                holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
                os.close(descriptor)
                raise LockedError(
                    f"another process is writing here: {holder or 'unknown'} holds {str(path)!r}; "
                    "wait for it or stop it, or write elsewhere"
                )
            # The holder before us may have removed the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    break
            os.close(descriptor)
        self._descriptor = descriptor
        _HELD.add(self)
        os.ftruncate(descriptor, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(
            descriptor, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode()
        )

    def release(self) -> None:
        """Give the lock back; without effect if that was done."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_HELD: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_all() -> None:
    for lock in tuple(_HELD):
        lock._close()


if hasattr(os, "register_at_fork"):  # hooks stay for good: one for all locks
    os.register_at_fork(after_in_child=_close_all)

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
        return True
