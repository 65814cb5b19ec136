"""The parent's end of a worker process, forked or spawned."""

from __future__ import annotations

import os
import queue
import select
import socket
import struct
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic

from vlreward.verify.workers.worker import MAX_REPLY, read_frame, write_frame

__all__ = ["Channel", "ForkedChannel", "SpawnedChannel", "interpreter"]

_LENGTH = struct.Struct(">I")


def interpreter(call: str, *arguments: str) -> list[str]:
    """The command line of a fresh interpreter that finds modules where this one does.

    Args:
        call: An expression over `server`, the module `forkserver`, and `arguments`.
        arguments: Strings for `call`.
    """
    if not sys.executable:
        raise RuntimeError(
            "the verifier starts its workers with sys.executable, which is empty in this process; "
            "set sys.executable to a Python interpreter"
        )
    # The script must not see the parent's `__main__`, so it is neither multiprocessing nor -m.
    script = (
        "import sys; n = int(sys.argv[1]); arguments = sys.argv[2:2 + n]; "
        "sys.path[:] = sys.argv[2 + n:]; "
        f"from vlreward.verify.workers import forkserver as server; {call}"
    )
    paths = [os.path.abspath(path) for path in sys.path if isinstance(path, str)]
    return [sys.executable, "-c", script, str(len(arguments)), *arguments, *paths]


class Channel(ABC):
    """A worker process, as the pool sees it.

    Attributes:
        pid: The worker's process id once it has said that it is ready, else None.
        jobs: The number of jobs it was sent.
    """

    def __init__(self) -> None:
        self.pid: int | None = None
        self.jobs = 0

    @abstractmethod
    def send(self, payload: bytes) -> None:
        """Send a frame; OSError where the worker is gone."""

    @abstractmethod
    def receive(self, timeout: float) -> bytes | None:
        """The next frame, None when `timeout` seconds have passed, EOFError if the worker died."""

    @abstractmethod
    def gone(self) -> bool:
        """Whether an idle worker has died."""

    @abstractmethod
    def orphaned(self) -> bool:
        """Whether a worker died because the process that forked it was killed."""

    @abstractmethod
    def kill(self) -> None:
        """End the process, at once."""

    @abstractmethod
    def close(self) -> None:
        """Let go of an idle worker, which ends by itself."""

    @abstractmethod
    def forget(self) -> None:
        """Close the descriptors of a worker that belongs to the process this one forked from."""


class ForkedChannel(Channel):
    """A socket to a worker that the server forked."""

    def __init__(
        self, connection: socket.socket, kill: Callable[[], None], lost: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._socket = connection
        self._kill = kill
        self._lost = lost
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def send(self, payload: bytes) -> None:
        self._socket.sendall(_LENGTH.pack(len(payload)) + payload)

    def receive(self, timeout: float) -> bytes | None:
        end = monotonic() + timeout
        while True:
            if len(self._buffer) >= _LENGTH.size:
                size = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
                if size > MAX_REPLY:
                    raise EOFError("a reply that is too long")
                if len(self._buffer) >= size:
                    frame = self._buffer[_LENGTH.size : size]
                    self._buffer = self._buffer[size:]
                    return frame
            left = end - monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                return None
            try:
                part = self._socket.recv(MAX_REPLY)
            except OSError:
                part = b""
            if not part:
                raise EOFError("the worker died")
            self._buffer += part

    def gone(self) -> bool:
        """Whether an idle worker has died; a worker that is ready says nothing unasked."""
        if not self._poll.poll(0):
            return False
        return self.pid is not None or bool(
            self._poll.poll(0)[0][1] & (select.POLLHUP | select.POLLERR)
        )

    def orphaned(self) -> bool:
        return self._lost()

    def kill(self) -> None:
        self._kill()
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def forget(self) -> None:
        """Close the descriptor without a word to the worker."""
        self._socket.close()


class SpawnedChannel(Channel):
    """Pipes to a worker with an interpreter of its own, where there is no fork."""

    def __init__(self, memory_bytes: int) -> None:
        super().__init__()
        command = interpreter("server.spawned(int(arguments[0]))", str(memory_bytes))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        # A pipe has no portable poll: a thread waits for the replies.
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="vlreward-verify", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        frame: bytes | None = b""
        while frame is not None:
            try:
                frame = read_frame(fd)
            except OSError:
                frame = None
            self._replies.put(frame)

    def send(self, payload: bytes) -> None:
        assert self._process.stdin is not None
        write_frame(self._process.stdin.fileno(), payload)

    def receive(self, timeout: float) -> bytes | None:
        try:
            frame = self._replies.get(timeout=max(timeout, 0.0))
        except queue.Empty:
            return None
        if frame is None:
            raise EOFError("the worker died")
        return frame

    def gone(self) -> bool:
        return self._process.poll() is not None

    def orphaned(self) -> bool:
        """Never: this one was started by the process that asks."""
        return False

    def kill(self) -> None:
        self._process.kill()
        self._finish()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._finish()

    def _finish(self) -> None:
        def wait() -> None:
            self._process.wait()
            self._reader.join()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()

        try:
            threading.Thread(target=wait, name="vlreward-verify", daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down
            wait()

    def forget(self) -> None:
        """Close the descriptors; the process is not this one's to wait for."""
        self._process.returncode = 0
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
