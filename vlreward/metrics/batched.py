"""The overlap metrics of `vlreward.metrics.boxes` for many boxes at once, with numpy.

Arrays have shape (n, 4) and hold corners (x1, y1, x2, y2), all in one frame. Results are float64
and equal those of the scalar functions to a few units in the last place of 1. An inverted,
degenerate or non-finite row is an error that names the row: filter before, or score one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlreward.geometry import Box
from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou

__all__ = ["boxes_ciou", "boxes_diou", "boxes_giou", "boxes_iou", "pairwise_iou"]

_Floats = NDArray[np.float64]
_Formula = Callable[[_Floats, _Floats], _Floats]

# Rows outside these bounds would over- or underflow and take the exact scalar path.
_MIN_SIDE, _MAX_SIDE = 1e-140, 1e140


def boxes_iou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """IoU of row i of `a` with row i of `b`; see `box_iou`.

    Args:
        a: Shape (n, 4), corners (x1, y1, x2, y2).
        b: Shape (n, 4), in the same frame.

    Returns:
        Shape (n,), in [0, 1].

    Raises:
        ValueError: If the shapes are not (n, 4) and equal, or a row is no box; names the row.

    Example:
        >>> boxes_iou([[0, 0, 10, 10], [0, 0, 4, 4]], [[0, 0, 10, 5], [8, 8, 9, 9]])
        array([0.5, 0. ])
    """
    return _elementwise(_iou, box_iou, a, b)


def boxes_giou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Generalized IoU of row i of `a` with row i of `b`, in [-1, 1]; see `box_giou`.

    Args:
        a: Shape (n, 4), corners (x1, y1, x2, y2).
        b: Shape (n, 4), in the same frame.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If the shapes are not (n, 4) and equal, or a row is no box; names the row.
    """
    return _elementwise(_giou, box_giou, a, b)


def boxes_diou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Distance IoU of row i of `a` with row i of `b`, in [-1, 1]; see `box_diou`.

    Args:
        a: Shape (n, 4), corners (x1, y1, x2, y2).
        b: Shape (n, 4), in the same frame.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If the shapes are not (n, 4) and equal, or a row is no box; names the row.
    """
    return _elementwise(_diou, box_diou, a, b)


def boxes_ciou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Complete IoU of row i of `a` with row i of `b`, in [-1.5, 1]; see `box_ciou`.

    Args:
        a: Shape (n, 4), corners (x1, y1, x2, y2).
        b: Shape (n, 4), in the same frame.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If the shapes are not (n, 4) and equal, or a row is no box; names the row.
    """
    return _elementwise(_ciou, box_ciou, a, b)


def pairwise_iou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """IoU of every row of `a` with every row of `b`; see `box_iou`.

    Args:
        a: Shape (n, 4), corners (x1, y1, x2, y2).
        b: Shape (m, 4), in the same frame.

    Returns:
        Shape (n, m), in [0, 1].

    Raises:
        ValueError: If a shape is not (n, 4), or a row is no box; names the row.

    Example:
        >>> pairwise_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [0, 0, 1, 2], [5, 5, 6, 6]])
        array([[1. , 0.5, 0. ]])
    """
    p, q = _columns("a", a), _columns("b", b)
    return _evaluate(_iou, box_iou, p[:, :, None], q[:, None, :])


def _columns(name: str, boxes: ArrayLike) -> _Floats:
    """The checked boxes as four contiguous columns, shape (4, n)."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"expected {name} of shape (n, 4), got shape {array.shape}")
    x1, y1, x2, y2 = columns = np.ascontiguousarray(array.T)
    # NaN compares false, and infinities are outside.
    valid = (-np.inf < x1) & (x1 < x2) & (x2 < np.inf)
    valid &= (-np.inf < y1) & (y1 < y2) & (y2 < np.inf)
    if not valid.all():
        row = int(np.argmin(valid))
        raise ValueError(
            f"expected finite x1 < x2 and y1 < y2 in every row of {name}, "
            f"got {array[row].tolist()!r} in row {row}"
        )
    return columns


def _elementwise(
    formula: _Formula, scalar: Callable[[Box, Box], float], a: ArrayLike, b: ArrayLike
) -> _Floats:
    p, q = _columns("a", a), _columns("b", b)
    if p.shape != q.shape:
        raise ValueError(f"expected a and b of one length, got {p.shape[1]} and {q.shape[1]} rows")
    return _evaluate(formula, scalar, p, q)


def _evaluate(
    formula: _Formula, scalar: Callable[[Box, Box], float], p: _Floats, q: _Floats
) -> _Floats:
    with np.errstate(over="ignore"):
        smallest = np.minimum(np.minimum(*_sides(p)), np.minimum(*_sides(q)))
        largest = np.maximum(*_hull(p, q))
    extreme = (smallest <= _MIN_SIDE) | (largest >= _MAX_SIDE)
    if not extreme.any():
        return formula(p, q)
    p, q = (np.broadcast_to(box, (4, *extreme.shape)) for box in (p, q))
    unit = np.array([0.0, 0.0, 1.0, 1.0]).reshape(4, *[1] * extreme.ndim)
    result = formula(np.where(extreme, unit, p), np.where(extreme, unit, q))
    result[extreme] = [
        scalar(Box(*one), Box(*other))
        for one, other in zip(p[:, extreme].T.tolist(), q[:, extreme].T.tolist(), strict=True)
    ]
    return result


def _sides(p: _Floats) -> tuple[_Floats, _Floats]:
    return p[2] - p[0], p[3] - p[1]


def _hull(p: _Floats, q: _Floats) -> tuple[_Floats, _Floats]:
    """Width and height of the smallest boxes around both."""
    return (
        np.maximum(p[2], q[2]) - np.minimum(p[0], q[0]),
        np.maximum(p[3], q[3]) - np.minimum(p[1], q[1]),
    )


def _areas(p: _Floats, q: _Floats) -> tuple[_Floats, _Floats]:
    """Areas of the intersections and the unions."""
    width = np.minimum(p[2], q[2]) - np.maximum(p[0], q[0])
    height = np.minimum(p[3], q[3]) - np.maximum(p[1], q[1])
    inter = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = np.multiply(*_sides(p)) + np.multiply(*_sides(q)) - inter
    return inter, union


def _iou(p: _Floats, q: _Floats) -> _Floats:
    inter, union = _areas(p, q)
    return inter / union


def _giou(p: _Floats, q: _Floats) -> _Floats:
    inter, union = _areas(p, q)
    hull = np.multiply(*_hull(p, q))
    return inter / union - np.maximum(hull - union, 0.0) / hull


def _diou(p: _Floats, q: _Floats) -> _Floats:
    width, height = _hull(p, q)
    dx = (p[0] - q[0]) + (p[2] - q[2])
    dy = (p[1] - q[1]) + (p[3] - q[3])
    distance: _Floats = (dx * dx + dy * dy) / (4 * (width * width + height * height))
    return _iou(p, q) - distance


def _ciou(p: _Floats, q: _Floats) -> _Floats:
    angle = np.arctan2(*_sides(p)) - np.arctan2(*_sides(q))
    v = angle**2 * (4 / math.pi**2)
    rest = 1 - _iou(p, q) + v
    return _diou(p, q) - v * v / np.where(rest > 0, rest, 1.0)
