"""Points against regions, with shapely as the judge of what lies inside."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point as ShapelyPoint
from shapely import Polygon as ShapelyPolygon
from shapely import box as shapely_box

from vlreward.geometry import Box
from vlreward.metrics import Polygon
from vlreward.metrics.points import Circle, Region, point_closeness, point_inside

_place = st.integers(-20, 40)
_BOX, _DISC = Box(0, 0, 20, 10), Circle(3, 4, 5)
_HOOK = Polygon(((0, 0), (20, 0), (20, 4), (4, 4), (4, 20), (0, 20)))


@given(x=_place, y=_place)
def test_inside_is_what_shapely_covers(x: int, y: int) -> None:
    point = ShapelyPoint(x, y)
    assert point_inside((x, y), _BOX) == float(shapely_box(*_BOX).covers(point))
    assert point_inside((x, y), _HOOK) == float(ShapelyPolygon(_HOOK.points).covers(point))
    distance = ShapelyPoint(_DISC.x, _DISC.y).distance(point)
    assert point_inside((x, y), _DISC) == float(distance <= _DISC.radius)


@pytest.mark.parametrize("region", [_BOX, _HOOK, _DISC])
def test_closeness_falls_with_distance(region: Region) -> None:
    centre = {"Box": (10, 5), "Polygon": (10, 10), "Circle": (3, 4)}[type(region).__name__]
    walk = [point_closeness((centre[0] + step, centre[1]), region) for step in range(0, 2000, 7)]
    assert walk[0] == 1
    assert all(a > b > 0 for a, b in pairwise(walk))


def test_a_miss_by_half_of_the_image_earns_next_to_nothing() -> None:
    button = Box(940, 530, 980, 550)  # in 1920 x 1080
    assert point_closeness((0, 540), button) < 0.001
    assert point_closeness((980, 550), button) == pytest.approx(0.5)  # its corner
    assert point_closeness((1e300, 1e300), button) == 0
