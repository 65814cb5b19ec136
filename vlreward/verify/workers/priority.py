"""Workers that stand back from everything else on the machine, and what that leaves them.

A niced process is no guarantee for the others: since Linux 6.6 a running process keeps its
processor for a slice of some milliseconds, whatever its niceness, before one that wakes up gets it.
Under `SCHED_IDLE` it is set aside at once, and its processor counts as a free one when the kernel
looks for a place. The price is that on a machine without idle time it gets next to nothing, and
that a process without privileges cannot raise itself again.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time

__all__ = ["Meter", "step_back", "use_idle_time"]

_NICENESS = 10
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED, of include/linux/posix-timers.h


def step_back() -> None:
    """Lower this process's share of a busy processor to about a tenth of another's; Linux only."""
    if sys.platform == "linux":
        os.nice(_NICENESS)


def use_idle_time() -> None:
    """Run this process on processors that nothing else wants, for good; Linux only."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox that forbids it, or a C library without it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class Meter:
    """Measures the processor time that another process gets from now on.

    Args:
        pid: Its process id.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._total()

    def seconds(self) -> float:
        """Seconds that the process has had; infinite where that cannot be known."""
        return self._total() - self._before if self._before < math.inf else math.inf

    def _total(self) -> float:
        if sys.platform != "linux":
            return math.inf
        try:
            return time.clock_gettime(~self._pid << 3 | _PROCESS_CLOCK)
        except OSError:
            return math.inf
