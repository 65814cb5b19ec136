"""Numbers for the logs, summed over micro-batches and processes, and averaged when logged."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from vlreward_paddle.parallel import gather_objects

__all__ = ["Metrics"]


class Metrics:
    """Sums and weights by name. All processes average together in `take`."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._same: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, total: float, weight: float = 1.0) -> None:
        """Add this process's share: the mean is the sum of totals by the sum of weights."""
        if math.isnan(total) or weight == 0:
            return
        entry = self._sums[name]
        entry[0] += total
        entry[1] += weight

    def same(self, name: str, value: float) -> None:
        """Add a number that all processes know alike."""
        if not math.isnan(value):
            self._same[name].append(value)

    def take(self) -> dict[str, float]:
        """The means since the last call. Every process must call it at the same point."""
        together: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for part in gather_objects(dict(self._sums)):
            for name, (total, weight) in part.items():
                together[name][0] += total
                together[name][1] += weight
        found = {name: float(np.mean(values)) for name, values in self._same.items()}
        found |= {name: total / weight for name, (total, weight) in together.items()}
        self._sums.clear()
        self._same.clear()
        return dict(sorted(found.items()))
