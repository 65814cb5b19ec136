"""How worker processes are run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

__all__ = ["PoolOptions"]


@dataclass(frozen=True)
class PoolOptions:
    """How the workers of this process are run, at a niceness of 10 where there is one.

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
