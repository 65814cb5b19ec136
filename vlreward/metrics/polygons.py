"""Overlap of polygons and of rotated boxes, through shapely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from vlreward.geometry import Polygon

__all__ = ["RotatedBox", "polygon_iou", "rotated_box_iou"]


_GRID = 2.0**-44  # relative to the extent of both polygons


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
        A number in [0, 1], 1 for equal polygons, with an absolute error of about 1e-9 unless one
        is a sliver more than about 1e4 times as long as wide; of slivers whose areas vanish in
        doubles beside their extent, the result is 0.

    Example:
        >>> triangle = Polygon(((0, 0), (4, 0), (0, 4)))
        >>> square = Polygon(((0, 0), (2, 0), (2, 2), (0, 2)))
        >>> polygon_iou(triangle, square)
        0.5
    """
    from shapely import Polygon as ShapelyPolygon

    if a == b:
        return 1.0
    # Common steps, exact but for one rounding: near the origin, then near 1. shapely's products
    # over- and underflow at other scales.
    largest = max(abs(c) for shape in (a, b) for point in shape.points for c in point)
    rings = [_moved(shape.points, (0.0, 0.0), math.frexp(largest)[1]) for shape in (a, b)]
    rings = [_moved(ring, rings[0][0], 0) for ring in rings]
    extent = max(abs(c) for ring in rings for point in ring for c in point)
    p, q = (ShapelyPolygon(_moved(ring, (0.0, 0.0), math.frexp(extent)[1])) for ring in rings)
    small, large = sorted((p.area, q.area))
    if not small > 1e-100 * large:  # an upper bound of the IoU; or both vanish in doubles
        return 0.0
    # Without a grid, GEOS may find no overlap at all of two rings that differ by a rounding.
    inter = min(p.intersection(q, grid_size=_GRID).area, small)
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


def _moved(
    points: Sequence[tuple[float, float]], origin: tuple[float, float], exponent: int
) -> list[tuple[float, float]]:
    """(point - origin) / 2**exponent for each point."""
    (ox, oy), scale = origin, -exponent
    return [(math.ldexp(x - ox, scale), math.ldexp(y - oy, scale)) for x, y in points]
