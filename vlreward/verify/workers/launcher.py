"""The parent's end of the process that forks workers."""

from __future__ import annotations

import itertools
import select
import socket
import subprocess
import tempfile
import threading
from typing import IO

from vlreward.verify.workers.channel import ForkedChannel, interpreter
from vlreward.verify.workers.forkserver import COMMAND
from vlreward.verify.workers.worker import read_frame

__all__ = ["Launcher"]


class Launcher:
    """Starts the server when it is first needed, and again if it was killed.

    Args:
        memory_bytes: Memory that one worker may allocate.
        start_timeout: Seconds in which the server must come up.
    """

    def __init__(self, memory_bytes: int, start_timeout: float) -> None:
        self._memory_bytes = memory_bytes
        self._start_timeout = start_timeout
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._closed = False

    def fork(self) -> ForkedChannel:
        """A new worker, which says its process id when it is ready.

        Raises:
            RuntimeError: The server cannot be started.
        """
        ours, theirs = socket.socketpair()
        number = next(self._numbers) % 2**32
        with theirs:
            try:
                control = self._send(COMMAND.pack(b"F", number), theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return ForkedChannel(ours, lambda: self._kill(control, number), lambda: self._lost(control))

    def _send(self, command: bytes, descriptor: int) -> socket.socket:
        """Send a command with a descriptor to a server that is alive; the server's socket."""
        with self._lock:
            for _ in range(2):
                control = self._control or self._launch()
                try:
                    socket.send_fds(control, [command], [descriptor])
                except OSError:
                    self._discard()
                else:
                    return control
        raise RuntimeError("the process that forks the verifier's workers died twice")

    def _kill(self, control: socket.socket, number: int) -> None:
        with self._lock:
            if control is not self._control:
                return  # that server is gone, and its workers with it
            try:
                control.sendall(COMMAND.pack(b"K", number))
            except OSError:
                self._discard()

    def _launch(self) -> socket.socket:
        if self._closed:
            raise RuntimeError("the verifier's pool was shut down while a job was waiting")
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return self._start(ours, theirs)
            except BaseException:
                ours.close()
                self._discard()
                raise

    def _start(self, ours: socket.socket, theirs: socket.socket) -> socket.socket:
        command = interpreter(
            "server.main(int(arguments[0]), int(arguments[1]))",
            str(theirs.fileno()),
            str(self._memory_bytes),
        )
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _discard)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            raise RuntimeError(f"cannot start {command[0]!r} for the verifier: {error}") from error
        theirs.close()  # or the end of a server that dies at once would not be seen
        reason: bytes | None = None
        failed = f"did not start within {self._start_timeout:g} seconds"
        if _readable(ours, self._start_timeout):
            failed = "failed to start"
            reason = read_frame(ours.fileno())
            if reason == b"":
                self._control = ours
                return ours
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        text = (reason or self._errors.read()[-2000:]).decode("utf-8", "replace").strip()
        said = text or "it said nothing"
        raise RuntimeError(f"the verifier's worker process {failed}: {said}")

    def _lost(self, control: socket.socket) -> bool:
        """Whether the server behind `control` was killed, and its workers with it."""
        with self._lock:
            if control is not self._control:
                return not self._closed
            # Once it is up it says nothing: what can be read is the end of the stream.
            if not _readable(control, 0):
                return False
            self._discard()
            return True

    def _discard(self) -> None:
        """Forget a server that is dead or dying; the caller holds the lock."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def close(self) -> None:
        """End the server and, through it, every worker."""
        with self._lock:
            self._closed = True
            self._discard()

    def forget(self) -> None:
        """Close the descriptors without a word to the server, which is the parent's."""
        if self._control is not None:
            self._control.close()
        if self._errors is not None:
            self._errors.close()
        if self._process is not None:
            self._process.returncode = 0  # not this process's child: nothing to wait for


def _readable(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
