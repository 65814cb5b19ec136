"""What processes tell each other, over any of Paddle's backends, and the model they share."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

__all__ = ["Metrics", "gather_objects", "gather_rows", "sum_all", "unwrap"]


def gather_rows(values: np.ndarray) -> np.ndarray:
    """The rows of all processes, by rank; each must have equally many, float64 stays float64."""
    if dist.get_world_size() == 1:
        return values
    parts: list[Any] = []
    dist.all_gather(parts, paddle.to_tensor(values))
    return np.concatenate([part.numpy() for part in parts])


def sum_all(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of arrays of one shape."""
    if dist.get_world_size() == 1:
        return values
    tensor = paddle.to_tensor(values)
    dist.all_reduce(tensor)
    found: np.ndarray = tensor.numpy()
    return found


def gather_objects(value: Any) -> list[Any]:
    """A small picklable value of every process, by rank."""
    if dist.get_world_size() == 1:
        return [value]
    parts: list[Any] = []
    dist.all_gather_object(parts, value)
    return parts


def unwrap(model: Any) -> Any:
    """The model itself: `paddle.DataParallel` and the sharding wrappers keep it in `_layers`
    or `_layer`."""
    while True:
        inner = getattr(model, "_layers", None) or getattr(model, "_layer", None)
        if inner is None or inner is model:
            return model
        model = inner


class Metrics:
    """Numbers for the logs: sums and weights by name over micro-batches and processes."""

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
