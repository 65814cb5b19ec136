"""Persistent worker processes with a deadline for every job."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from vlreward.verify.channel import Channel, SpawnedChannel
from vlreward.verify.launcher import Launcher
from vlreward.verify.verdict import OUTCOMES, Outcome

__all__ = ["PoolOptions", "Result", "configure", "map_in_threads", "run", "shutdown", "warm_up"]

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class PoolOptions:
    """How the workers of this process are run.

    Attributes:
        workers: Jobs that run at the same time, 1 to 256; one more process is kept warm as a
            spare. None is half of the processors, at least 1 and at most 8. Every process that
            verifies has a pool of its own, and starts it only when a pair needs it.
        memory_mb: Memory that one job may allocate, in MiB, where the system can limit it.
        jobs_per_worker: Jobs after which a worker is replaced, so that caches cannot grow forever.
        start: ``forkserver`` forks workers from a process that has math-verify loaded; ``spawn``
            starts an interpreter for each; ``auto`` is the first where the system can fork.
        start_timeout: Seconds in which a worker must come up.

    Raises:
        ValueError: A field is outside its range.
    """

    workers: int | None = None
    memory_mb: int = 1024
    jobs_per_worker: int = 1000
    start: Literal["auto", "forkserver", "spawn"] = "auto"
    start_timeout: float = 120.0

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 256:
            raise ValueError(f"workers must be between 1 and 256 or None, got {self.workers!r}")
        if self.memory_mb < 64:
            raise ValueError(f"memory_mb must be at least 64, got {self.memory_mb!r}")
        if self.jobs_per_worker < 1:
            raise ValueError(f"jobs_per_worker must be at least 1, got {self.jobs_per_worker!r}")
        if self.start not in ("auto", "forkserver", "spawn"):
            raise ValueError(f"start must be 'auto', 'forkserver' or 'spawn', got {self.start!r}")
        if not self.start_timeout > 0:
            raise ValueError(f"start_timeout must be above 0 seconds, got {self.start_timeout!r}")

    @property
    def concurrency(self) -> int:
        """The number of jobs that run at the same time."""
        return self.workers or max(1, min(8, (os.cpu_count() or 2) // 2))


class Result(NamedTuple):
    """The outcome of a job."""

    outcome: Outcome
    detail: str = ""


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

    def run(self, job: dict[str, Any], deadline: float) -> Result:
        """Run a job in a worker; waits for one to be free, then at most `deadline` seconds."""
        payload = json.dumps({**job, "deadline": deadline}).encode("ascii")
        with self._slots:
            result = self._once(payload, deadline)
            if result is None:  # not the job's fault
                result = self._once(payload, deadline)
            return result or Result("worker_died", "the process that forks workers died, twice")

    def _once(self, payload: bytes, deadline: float) -> Result | None:
        """The result of a job, or None where the server was killed and its workers with it."""
        worker = self._take()
        self._top_up()
        worker.jobs += 1
        try:
            worker.send(payload)
            reply = worker.receive(deadline)
        except (OSError, EOFError) as error:
            orphaned = worker.orphaned()
            worker.kill()
            if self._closed:
                return Result("worker_died", "the pool was shut down")
            if orphaned:
                return None
            return Result("worker_died", str(error) or "the worker died")
        if reply is None:
            worker.kill()
            return Result("timeout", f"no verdict within {deadline:g} seconds")
        result = _decode(reply)
        if result.outcome == "worker_died" or worker.jobs >= self.options.jobs_per_worker:
            worker.close()
        else:
            self._give_back(worker)
        return result

    def _take(self) -> Channel:
        """A worker that is ready."""
        for last in (False, True):
            worker = None
            with self._lock:
                while self._idle and worker is None:
                    worker = self._idle.pop()
                    if worker.gone() or worker.orphaned():
                        worker.kill()
                        worker = None
            if worker is None:
                worker = self._start()
            if worker.ready:
                return worker
            try:
                if worker.receive(self.options.start_timeout) is not None:
                    worker.ready = True
                    return worker
                worker.kill()
            except EOFError:
                worker.orphaned()  # notices a server that is gone
                worker.kill()
            if last:
                break
        raise RuntimeError("a worker process of the verifier died while it started, twice")

    def _start(self) -> Channel:
        if self._launcher is not None:
            return self._launcher.fork()
        return SpawnedChannel(self._memory)

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


def _decode(reply: bytes) -> Result:
    found = json.loads(reply)
    for outcome in OUTCOMES:
        if found["outcome"] == outcome:
            return Result(outcome, found["detail"])
    raise ValueError(f"a worker replied {reply[:200]!r}")


_lock = threading.Lock()
_options = PoolOptions()
_pool: _Pool | None = None


def _current() -> _Pool:
    global _pool
    with _lock:
        if _pool is None:
            _pool = _Pool(_options)
        return _pool


def run(job: dict[str, Any], deadline: float) -> Result:
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
