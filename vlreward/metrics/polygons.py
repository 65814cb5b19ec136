"""Overlap of polygons and of rotated boxes, through shapely."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from vlreward.geometry import Polygon

__all__ = ["RotatedBox", "polygon_iou", "rotated_box_iou"]


class RotatedBox(NamedTuple):
    """A box turned about its centre; checked when it is scored."""

    cx: float
    """x of the centre."""
    cy: float
    """y of the centre."""
    width: float
    """Side along the box's own x axis, positive."""
    height: float
    """Side along the box's own y axis, positive."""
    angle: float
    """Radians from the x axis towards the y axis: clockwise on the screen, as y points down."""


def polygon_iou(a: Polygon, b: Polygon) -> float:
    """Intersection over union of two simple polygons, which need not be convex.

    Args:
        a: A polygon; orientation and first vertex do not matter.
        b: The other polygon, in the same frame.

    Returns:
        A number in [0, 1], to about 1e-9; less than 1e-200 is returned as 0.

    Example:
        >>> triangle = Polygon(((0, 0), (4, 0), (0, 4)))
        >>> square = Polygon(((0, 0), (2, 0), (2, 2), (0, 2)))
        >>> polygon_iou(triangle, square)
        0.5
    """
    # A common power of two brings both near 1: shapely's products over- and underflow otherwise.
    largest = max(abs(c) for shape in (a, b) for point in shape.points for c in point)
    exponent = math.frexp(largest)[1]
    p, q = _shapely(a, exponent), _shapely(b, exponent)
    small, large = sorted((p.area, q.area))
    if small < 1e-200 * large:  # an upper bound of the IoU
        return 0.0
    inter = min(p.intersection(q).area, small)
    return float(inter / (small + large - inter))


def rotated_box_iou(a: RotatedBox, b: RotatedBox) -> float:
    """Intersection over union of two rotated boxes.

    Args:
        a: (cx, cy, width, height, angle).
        b: The other box, in the same frame.

    Returns:
        A number in [0, 1]; see `polygon_iou`.

    Raises:
        ValueError: If a side is not positive or a number is not finite.

    Example:
        >>> square = RotatedBox(0, 0, 2, 2, 0)
        >>> round(rotated_box_iou(square, RotatedBox(0, 0, 2, 2, math.pi / 4)), 6)
        0.707107
    """
    return polygon_iou(Polygon.from_rotated_box(*a), Polygon.from_rotated_box(*b))


def _shapely(polygon: Polygon, exponent: int) -> Any:
    from shapely import Polygon as ShapelyPolygon

    return ShapelyPolygon(
        [(math.ldexp(x, -exponent), math.ldexp(y, -exponent)) for x, y in polygon.points]
    )
