"""Files below one directory, made without following a link on the way."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

__all__ = ["Tree"]

_BY_DESCRIPTOR = {os.open, os.mkdir} <= os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class Tree:
    """Makes files and directories below `root`, which must exist; close it after use.

    Every step is opened relative to the one before and refused if it is a link, so that nothing
    is made elsewhere, whatever stands below `root` and whoever moves it meanwhile. Systems that
    cannot do that (Windows) get plain paths.

    Raises:
        OSError: If a step is no directory, or a file is there already.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = os.open(root, _FOLDER) if _BY_DESCRIPTOR else -1
        self._last: tuple[PurePosixPath, int] = PurePosixPath(), self._top

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in {self._top, self._last[1]} - {-1}:
            os.close(descriptor)

    def create(self, path: PurePosixPath) -> IO[bytes]:
        """A new file, and the directories that it lies in."""
        if not _BY_DESCRIPTOR:
            self.folder(path.parent)
            return (self._root / path).open("xb")
        folder = self.folder(path.parent)
        return os.fdopen(os.open(path.name, _FILE, 0o666, dir_fd=folder), "wb")

    def folder(self, path: PurePosixPath) -> int:
        """The descriptor of a directory, made if need be; closed by the next call."""
        if not _BY_DESCRIPTOR:
            (self._root / path).mkdir(parents=True, exist_ok=True)
            return -1
        if path != self._last[0]:
            here = os.dup(self._top)
            for step in path.parts:
                try:
                    with suppress(FileExistsError):
                        os.mkdir(step, dir_fd=here)
                    below = os.open(step, _FOLDER, dir_fd=here)
                finally:
                    os.close(here)
                here = below
            if self._last[1] != self._top:
                os.close(self._last[1])
            self._last = path, here
        return self._last[1]
