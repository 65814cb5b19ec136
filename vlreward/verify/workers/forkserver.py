"""The process that forks workers.

It has math-verify loaded, so that a fork of it is a warm worker within milliseconds, and it is
started with a fresh interpreter: it has none of the parent's threads, locks, CUDA contexts or file
descriptors, and it never imports the parent's ``__main__``, so a training script without an
``if __name__ == "__main__"`` guard is not run a second time.

Commands come through one socket, five bytes each: ``F`` and a number with a file descriptor
attached forks a worker that talks through that descriptor, ``K`` and a number kills it. Only this
process knows and reaps process ids, so that none is ever killed after it was given to another
process. At the end of the stream every worker is killed.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import sys
import traceback

from vlreward.verify.workers.worker import limit_resources, preload, serve, write_frame

__all__ = ["COMMAND", "main", "spawned"]

COMMAND = struct.Struct(">cI")


_NICENESS = 10


def main(control_fd: int, memory_bytes: int) -> None:
    """Serve commands until the parent closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    _step_back()
    try:
        preload()
    except BaseException:
        write_frame(control_fd, traceback.format_exc()[-2000:].encode("utf-8", "replace"))
        raise
    write_frame(control_fd, b"")
    _silence()
    gc.collect()
    gc.freeze()  # keeps the pages that all workers share from being written to
    _Server(control_fd, memory_bytes).run()


def spawned(memory_bytes: int) -> None:
    """Be one worker on standard input and output, where there is no fork."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _step_back()
    receive, send = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    preload()
    _silence()
    limit_resources(memory_bytes)
    serve(receive, send)


def _step_back() -> None:
    """Leave a busy processor to whoever asks: a trainer or a server comes first."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    os.close(null)


class _Server:
    def __init__(self, control_fd: int, memory_bytes: int) -> None:
        self.control = socket.socket(fileno=control_fd)
        self.memory_bytes = memory_bytes
        self.workers: dict[int, int] = {}  # number to process id
        self.wake_receive, self.wake_send = socket.socketpair()
        for end in (self.wake_receive, self.wake_send):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake_send.fileno(), warn_on_full_buffer=False)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.wake_receive, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self.wake_receive.fileno() in ready:
                self.reap()
            if self.control.fileno() in ready and not self.command():
                break
        for pid in self.workers.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self.workers.values():
            os.waitpid(pid, 0)

    def reap(self) -> None:
        """Forget the workers that are gone."""
        try:
            while self.wake_receive.recv(4096):
                pass
        except BlockingIOError:
            pass
        for number, pid in list(self.workers.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self.workers[number]

    def command(self) -> bool:
        """Obey one command; False at the end of the stream."""
        data, fds, _, _ = socket.recv_fds(self.control, COMMAND.size, 1)
        while data and len(data) < COMMAND.size:
            more = self.control.recv(COMMAND.size - len(data))
            if not more:
                return False
            data += more
        if not data:
            return False
        verb, number = COMMAND.unpack(data)
        if verb == b"K":
            if number in self.workers:
                os.kill(self.workers[number], signal.SIGKILL)
        elif verb == b"F" and fds:
            self.fork(number, fds[0])
        return True

    def fork(self, number: int, fd: int) -> None:
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)  # no memory or process left: the other end sees a worker that died
            return
        if pid:
            self.workers[number] = pid
            os.close(fd)
            return
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self.control, self.wake_receive, self.wake_send):
                end.close()
            _die_with_parent()
            limit_resources(self.memory_bytes)
            serve(fd, fd)
            status = 0
        finally:
            # Not an exit: a fork must not run the handlers of the process it was copied from.
            os._exit(status)


def _die_with_parent() -> None:
    """On Linux, have the kernel kill this worker if the server is killed."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
