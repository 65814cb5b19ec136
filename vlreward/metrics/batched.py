"""The overlap metrics of `vlreward.metrics.boxes` for many boxes at once, with numpy.

Arrays have shape (n, 4) and hold corners (x1, y1, x2, y2), all in one frame. Results are float64
and equal those of the scalar functions to a few units in the last place of 1. Of the functions of
two arrays the result has shape (n,): row i is of row i of `a` with row i of `b`.

Raises:
    ValueError: If the shapes are not (n, 4) and equal, or a row is no `Box`; names the row. Filter
        before, or score one by one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlreward.geometry import LEAST_SIDE, MOST

__all__ = ["boxes_ciou", "boxes_diou", "boxes_giou", "boxes_iou", "pairwise_iou"]

_Floats = NDArray[np.float64]


def boxes_iou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """IoU of each pair of rows, in [0, 1]; see `box_iou`.

    Example:
        >>> boxes_iou([[0, 0, 10, 10], [0, 0, 4, 4]], [[0, 0, 10, 5], [8, 8, 9, 9]])
        array([0.5, 0. ])
    """
    return _iou(*_pairs(a, b))


def boxes_giou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Generalized IoU of each pair of rows, in [-1, 1]; see `box_giou`."""
    p, q = _pairs(a, b)
    inter, union = _areas(p, q)
    hull = np.multiply(*_hull(p, q))
    return inter / union - np.maximum(hull - union, 0.0) / hull


def boxes_diou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Distance IoU of each pair of rows, in [-1, 1]; see `box_diou`."""
    p, q = _pairs(a, b)
    return _iou(p, q) - _distance(p, q)


def boxes_ciou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """Complete IoU of each pair of rows, in [-1.5, 1]; see `box_ciou`."""
    p, q = _pairs(a, b)
    iou = _iou(p, q)
    v = (np.arctan2(*_sides(p)) - np.arctan2(*_sides(q))) ** 2 * (4 / math.pi**2)
    rest = 1 - iou + v
    return iou - _distance(p, q) - v * v / np.where(rest > 0, rest, 1.0)


def pairwise_iou(a: ArrayLike, b: ArrayLike) -> _Floats:
    """IoU of every row of `a` with every row of `b`, shape (n, m), in [0, 1]; see `box_iou`.

    Example:
        >>> pairwise_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [0, 0, 1, 2], [5, 5, 6, 6]])
        array([[1. , 0.5, 0. ]])
    """
    return _iou(_columns("a", a)[:, :, None], _columns("b", b)[:, None, :])


def _columns(name: str, boxes: ArrayLike) -> _Floats:
    """The checked boxes as four contiguous columns, shape (4, n)."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"expected {name} of shape (n, 4), got shape {array.shape}")
    columns = np.ascontiguousarray(array.T)
    with np.errstate(invalid="ignore", over="ignore"):
        width, height = _sides(columns)
    # NaN compares false.
    valid = (abs(array) <= MOST).all(axis=1) & (width >= LEAST_SIDE) & (height >= LEAST_SIDE)
    if not valid.all():
        row = int(np.argmin(valid))
        raise ValueError(
            f"expected finite x1 < x2 and y1 < y2 in every row of {name}, "
            f"got {array[row].tolist()!r} in row {row}"
        )
    return columns


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[_Floats, _Floats]:
    p, q = _columns("a", a), _columns("b", b)
    if p.shape != q.shape:
        raise ValueError(f"expected a and b of one length, got {p.shape[1]} and {q.shape[1]} rows")
    return p, q


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


def _distance(p: _Floats, q: _Floats) -> _Floats:
    """Squared distance of the centres over the squared diagonal of the hull."""
    width, height = _hull(p, q)
    dx = (p[0] - q[0]) + (p[2] - q[2])
    dy = (p[1] - q[1]) + (p[3] - q[3])
    distance: _Floats = (dx * dx + dy * dy) / (4 * (width * width + height * height))
    return distance
