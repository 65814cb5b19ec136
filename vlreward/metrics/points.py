"""Whether a point hits a region, and how far it is from doing so."""

from __future__ import annotations

import math
from typing import NamedTuple

from vlreward.geometry import Box
from vlreward.metrics.polygons import Polygon

__all__ = ["Circle", "Region", "point_closeness", "point_inside"]


class Circle(NamedTuple):
    """A disc: a point with the distance that still counts as hitting it."""

    x: float
    """x of the centre."""
    y: float
    """y of the centre."""
    radius: float
    """Positive, in the units of x and y."""


Region = Box | Polygon | Circle
"""What a point may be asked to hit."""


def point_inside(point: tuple[float, float], region: Region) -> float:
    """1.0 if the point lies in the region or on its border, else 0.0.

    Args:
        point: Finite (x, y).
        region: A box, polygon or disc in the same frame.

    Example:
        >>> point_inside((10, 5), Box(0, 0, 10, 10)), point_inside((11, 5), Circle(0, 0, 10))
        (1.0, 0.0)
    """
    x, y = point
    if isinstance(region, Box):
        return float(region.x1 <= x <= region.x2 and region.y1 <= y <= region.y2)
    if isinstance(region, Circle):
        return float(math.hypot(x - region.x, y - region.y) <= region.radius)
    import numpy as np
    from shapely import Point as ShapelyPoint
    from shapely import Polygon as ShapelyPolygon

    with np.errstate(all="ignore"):  # GEOS may overflow on its way
        return float(ShapelyPolygon(region.points).covers(ShapelyPoint(x, y)))


def point_closeness(point: tuple[float, float], region: Region) -> float:
    """1 / (1 + (d / r)^2): 1 at the centre, 1/2 at distance r, and falling to 0 with distance.

    d is the distance to the centre, and r half the diagonal of the region's bounding box (a disc:
    its radius): the size of the target is the measure, not that of the image, so a miss by ten
    times the target earns 0.01 however large the image is.

    Args:
        point: Finite (x, y).
        region: A box, polygon or disc in the same frame.

    Returns:
        A number in [0, 1].

    Example:
        >>> point_closeness((5, 5), Box(0, 0, 10, 10)), point_closeness((30, 0), Circle(0, 0, 10))
        (1.0, 0.1)
    """
    if isinstance(region, Circle):
        cx, cy, radius = region
    else:
        ends = region.points if isinstance(region, Polygon) else (region[:2], region[2:])
        (x1, x2), (y1, y2) = ((min(side), max(side)) for side in zip(*ends))
        cx, cy, radius = (x1 + x2) / 2, (y1 + y2) / 2, math.hypot(x2 - x1, y2 - y1) / 2
    ratio = math.hypot(point[0] - cx, point[1] - cy) / radius
    return 1 / (1 + ratio * ratio)
