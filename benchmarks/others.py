"""What other processes of the machine take from a measurement; Linux alone tells."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["Others", "wait_for_quiet"]


class Others:
    """Counts the processor time of processes that are neither this one nor its descendants.

    In a virtual machine, with what its host gave to other machines while this one wanted it.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._before = _others()

    def share(self) -> float:
        """Processors that others have used on average since this was made; 0 where unknown."""
        return max(0.0, _others() - self._before) / (time.perf_counter() - self._started)


def wait_for_quiet(share: float, patience: float) -> None:
    """Return when others use less than `share` of a processor, or after `patience` seconds."""
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        others = Others()
        time.sleep(0.5)
        if others.share() < share:
            return


def _others() -> float:
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, _, _, irq, softirq, stolen = map(int, line.split()[1:9])
    except (OSError, ValueError):
        return 0.0
    busy = user + nice + system + irq + softirq + stolen
    return (busy - _own_ticks()) / os.sysconf("SC_CLK_TCK")


def _own_ticks() -> int:
    """Of this process and its descendants, and of those that they have waited for."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            fields = stat.rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
            ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    total = 0
    for pid, count in ticks.items():
        above = pid
        while above not in (0, os.getpid()):
            above = parents.get(above, 0)
        total += count if above else 0
    return total
