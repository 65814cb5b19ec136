"""The parent's end of the process that forks workers."""

from __future__ import annotations

import itertools
import select
import socket
import subprocess
import tempfile
import threading
from typing import IO

from vlreward.verify.channel import ForkedChannel, interpreter
from vlreward.verify.server import COMMAND
from vlreward.verify.worker import read_frame

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
        """A new worker, which says ``ready`` when it is.

        Raises:
            RuntimeError: The server cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            number = next(self._numbers) % 2**32
            for attempt in (1, 2):
                with self._lock:
                    if self._control is None:
                        self._launch()
                    control = self._control
                    assert control is not None
                    try:
                        socket.send_fds(control, [COMMAND.pack(b"F", number)], [theirs.fileno()])
                        break
                    except OSError:
                        self._discard()
                        if attempt == 2:
                            ours.close()
                            raise RuntimeError(
                                "the process that forks the verifier's workers died twice"
                            ) from None
        return ForkedChannel(ours, lambda: self._kill(control, number))

    def _kill(self, control: socket.socket | None, number: int) -> None:
        with self._lock:
            if control is None or control is not self._control:
                return  # that server is gone, and its workers with it
            try:
                control.sendall(COMMAND.pack(b"K", number))
            except OSError:
                self._discard()

    def _launch(self) -> None:
        if self._closed:
            raise RuntimeError("the verifier's pool was shut down while a job was waiting")
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _discard)
        with theirs:
            command = interpreter(
                "server.main(int(arguments[0]), int(arguments[1]))",
                str(theirs.fileno()),
                str(self._memory_bytes),
            )
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                ours.close()
                raise RuntimeError(
                    f"cannot start {command[0]!r} for the verifier: {error}"
                ) from error
        self._control = ours
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        reason: bytes | None = None
        if poll.poll(self._start_timeout * 1000):
            reason = read_frame(ours.fileno())
            if reason == b"":
                return
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        text = (reason or self._errors.read()[-2000:]).decode("utf-8", "replace").strip()
        self._discard()
        raise RuntimeError(
            "the verifier's worker process did not start within "
            f"{self._start_timeout:g} seconds: {text or 'it said nothing'}"
        )

    def check(self) -> None:
        """After a worker that did not come up: drop a server that is no more."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._discard()

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
