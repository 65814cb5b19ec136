"""What processes tell each other, over any of Paddle's backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

__all__ = ["gather_objects", "gather_rows", "sum_all"]


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
