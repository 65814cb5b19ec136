"""Persistent worker processes with a deadline for every job."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from vlreward.verify.verdict import OUTCOMES, Verdict
from vlreward.verify.workers.channel import Channel, SpawnedChannel
from vlreward.verify.workers.launcher import Launcher
from vlreward.verify.workers.options import PoolOptions

__all__ = ["configure", "map_in_threads", "run", "shutdown", "warm_up"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Pool:
    def __init__(self, options: PoolOptions) -> None:
        self.options = options
        forks = hasattr(os, "fork") if options.start == "auto" else options.start == "forkserver"
        memory = options.memory_mb * 2**20
        self._launcher = Launcher(memory, options.start_timeout) if forks else None
        self._memory = memory
        self._slots = threading.BoundedSemaphore(options.concurrency)
        self._lock = threading.Lock()
        self._idle: list[Channel] = []
        self._closed = False

    def run(self, job: dict[str, Any], deadline: float) -> Verdict:
        """Run a job in a worker; waits for one to be free, then at most `deadline` seconds."""
        payload = json.dumps({**job, "deadline": deadline}).encode("ascii")
        with self._slots:
            found = self._once(payload, deadline) or self._once(payload, deadline)
        return found or Verdict("worker_died", 3, "the process that forks workers died, twice")

    def _once(self, payload: bytes, deadline: float) -> Verdict | None:
        """The result of a job; None where the server was killed and the job's worker with it."""
        worker = self._take()
        try:
            self._top_up()
            worker.jobs += 1
            worker.send(payload)
            reply = worker.receive(deadline)
            if reply is None:
                worker.kill()
                return Verdict("timeout", 3, f"no verdict within {deadline:g} seconds")
        except (OSError, EOFError) as error:
            orphaned = worker.orphaned()
            worker.kill()
            if orphaned and not self._closed:
                return None
            reason = "the pool was shut down" if self._closed else str(error)
            return Verdict("worker_died", 3, reason or "the worker died")
        except BaseException:  # out of a signal handler: nobody waits for this worker any more
            worker.kill()
            raise
        result = _decode(reply)
        if result.outcome == "worker_died" or worker.jobs >= self.options.jobs_per_worker:
            worker.close()
        else:
            self._give_back(worker)
        return result

    def _take(self) -> Channel:
        """A worker that is ready."""
        for _ in range(2):
            worker = self._usable() or self._start()
            try:
                if worker.pid is None:
                    name = worker.receive(self.options.start_timeout)
                    worker.pid = None if name is None else int(name)
            except EOFError:
                worker.orphaned()  # has the launcher notice a server that is gone
            except BaseException:
                worker.kill()
                raise
            if worker.pid is not None:
                return worker
            worker.kill()
        raise RuntimeError("a worker process of the verifier died while it started, twice")

    def _usable(self) -> Channel | None:
        """An idle worker that is alive."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if not (worker.gone() or worker.orphaned()):
                    return worker
                worker.kill()
        return None

    def _start(self) -> Channel:
        return SpawnedChannel(self._memory) if self._launcher is None else self._launcher.fork()

    def _top_up(self) -> None:
        """Have one worker starting or idle, ready to replace one that is killed."""
        with self._lock:
            missing = not self._idle and not self._closed
        if missing:
            self._give_back(self._start())

    def _give_back(self, worker: Channel) -> None:
        with self._lock:
            if not self._closed and len(self._idle) <= self.options.concurrency:
                self._idle.append(worker)
                return
        worker.close()

    def warm_up(self) -> None:
        """Have a worker ready, and one more on its way."""
        with self._slots:
            self._give_back(self._take())
        with self._lock:
            alone = len(self._idle) < 2
        if alone:
            self._give_back(self._start())

    def shutdown(self) -> None:
        """End every process."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()
        if self._launcher is not None:
            self._launcher.close()

    def forget(self) -> None:
        """Close what a forked child inherited, without a word to the parent's processes."""
        for worker in self._idle:
            worker.forget()
        if self._launcher is not None:
            self._launcher.forget()


def _decode(reply: bytes) -> Verdict:
    found = json.loads(reply)
    if found["outcome"] not in OUTCOMES:
        raise ValueError(f"a worker replied {reply[:200]!r}")
    return Verdict(found["outcome"], 3, found["detail"])


_lock = threading.Lock()
_options = PoolOptions()
_pool: _Pool | None = None


def _current() -> _Pool:
    global _pool
    with _lock:
        if _pool is None:
            _pool = _Pool(_options)
        return _pool


def run(job: dict[str, Any], deadline: float) -> Verdict:
    """Run one job in this process's pool, which starts when it is first needed."""
    return _current().run(job, deadline)


def warm_up() -> None:
    """Start the pool now rather than with the first pair that needs it.

    Raises:
        RuntimeError: The worker processes cannot be started.
    """
    _current().warm_up()


def configure(options: PoolOptions) -> None:
    """Set how the workers of this process are run from now on; ends the ones there are."""
    global _options
    shutdown()
    _options = options


def shutdown() -> None:
    """End the worker processes; the next pair that needs one starts them again.

    Called by itself when the interpreter exits. A process that is killed takes its workers along.
    """
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()


def _after_fork() -> None:
    global _lock, _pool
    pool, _pool = _pool, None
    _lock = threading.Lock()
    if pool is not None:
        pool.forget()


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def map_in_threads(function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """`function` of every item, as many at a time as there are workers; results in order."""
    count = min(len(items), _current().options.concurrency)
    if count < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count, thread_name_prefix="vlreward-verify") as executor:
        return list(executor.map(function, items))
