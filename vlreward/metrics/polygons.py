"""Overlap of polygons and of rotated boxes, through shapely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from vlreward.geometry import LEAST_SIDE, MOST, Box

__all__ = ["Polygon", "RotatedBox", "polygon_iou", "rotated_box_iou"]

_LEAST_AREA = LEAST_SIDE**2
_GRID = 2.0**-44  # relative to the extent of both polygons


@dataclass(frozen=True, slots=True)
class Polygon:
    """A simple polygon with positive area; the ring closes itself.

    Args:
        points: At least three (x, y) vertices in order, either orientation, within 1e12 of 0.

    Raises:
        ValueError: If there are fewer than three distinct vertices, a coordinate is not finite,
            the ring crosses itself (a bow-tie) or its area is below 1e-24. shapely decides
            validity.
    """

    points: tuple[tuple[float, float], ...]
    """Vertices (x, y) in order, the first not repeated at the end."""

    def __post_init__(self) -> None:
        import numpy as np
        from shapely import Polygon as ShapelyPolygon
        from shapely.validation import explain_validity

        points = tuple(tuple(p) for p in self.points)
        if len(points) > 1 and points[0] == points[-1]:
            points = points[:-1]
        if len(set(points)) < 3 or not all(len(p) == 2 for p in points):
            raise ValueError(f"expected at least three distinct (x, y) vertices, got {points!r}")
        if not all(-MOST <= c <= MOST for p in points for c in p):
            raise ValueError(f"expected finite coordinates within {MOST:g} of 0, got {points!r}")
        object.__setattr__(self, "points", points)
        with np.errstate(all="ignore"):  # GEOS may divide by zero on its way
            shape = ShapelyPolygon(self.points)
            if not shape.is_valid or not shape.area >= _LEAST_AREA:
                reason = "zero area" if shape.is_valid else explain_validity(shape)
                raise ValueError(f"expected a simple polygon with area, got {points!r}: {reason}")

    @classmethod
    def from_box(cls, box: Box) -> Polygon:
        """The four corners of an axis-aligned box, clockwise on the screen from the top left."""
        x1, y1, x2, y2 = box
        return cls(((x1, y1), (x2, y1), (x2, y2), (x1, y2)))

    @classmethod
    def from_rotated_box(
        cls, cx: float, cy: float, width: float, height: float, angle: float
    ) -> Polygon:
        """A rotated box as a polygon.

        Args:
            cx: x of the centre.
            cy: y of the centre.
            width: Side along the box's own x axis, positive.
            height: Side along the box's own y axis, positive.
            angle: Rotation in radians from the x axis towards the y axis, which is clockwise on
                the screen because y points down.

        Raises:
            ValueError: If a side is not positive or a number is not finite.
        """
        if not (0 < width <= MOST and 0 < height <= MOST and math.isfinite(angle)):
            raise ValueError(
                "expected positive finite sides and a finite angle, got "
                f"width={width!r}, height={height!r}, angle={angle!r}"
            )
        cos, sin = math.cos(angle), math.sin(angle)
        dx, dy = width / 2, height / 2
        corners = ((-dx, -dy), (dx, -dy), (dx, dy), (-dx, dy))
        return cls(tuple((cx + x * cos - y * sin, cy + x * sin + y * cos) for x, y in corners))


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
    import numpy as np
    from shapely import GEOSException
    from shapely import Polygon as ShapelyPolygon

    if a == b:
        return 1.0
    (x0, y0), *_ = a.points  # near the origin products lose less
    p, q = (ShapelyPolygon([(x - x0, y - y0) for x, y in shape.points]) for shape in (a, b))
    extent = max(map(abs, (*p.bounds, *q.bounds)))
    small, large = sorted((p.area, q.area))
    try:
        with np.errstate(all="ignore"):  # GEOS may divide by zero on its way
            # Without a grid, GEOS may find no overlap of two rings that differ by a rounding.
            inter = min(p.intersection(q, grid_size=_GRID * extent).area, small)
    except GEOSException:  # a sliver that vanishes on the grid
        return 0.0
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
