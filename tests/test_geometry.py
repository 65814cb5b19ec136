from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.geometry import Box, Polygon, Size

_seeded = settings(deadline=None, derandomize=True, max_examples=50)
NAN, INF, HUGE = math.nan, math.inf, 10**400

# --- Size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [(640, 480), [640, 480], (640.0, 480.0), Size(640, 480)])
def test_sizes_are_read_width_first(value: Any) -> None:
    size = Size.from_sequence(value)
    assert (size.width, size.height) == (640, 480)
    assert all(type(side) is int for side in size)


@pytest.mark.parametrize(
    "value",
    [
        (0, 480),
        (640, -1),
        (640,),
        (640, 480, 3),
        (640.5, 480),
        (NAN, 480),
        (640, INF),
        (HUGE, 480),
        ("640", 480),
        (True, 480),
        (None, 480),
        "ab",
    ],
)
def test_other_sizes_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \(width, height\) as two positive whole"):
        Size.from_sequence(value)


# --- Box -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param((10, 0, 5, 5), id="inverted in x"),
        pytest.param((0, 10, 5, 5), id="inverted in y"),
        pytest.param((9, 9, 5, 5), id="inverted twice"),
        pytest.param((5, 0, 5, 5), id="no width"),
        pytest.param((0, 5, 5, 5), id="no height"),
        pytest.param((0, 0, 0, 0), id="a point"),
        pytest.param((-0.0, 0, 0.0, 1), id="signed zeros are one number"),
        *(
            pytest.param(tuple(bad if i == k else i for i in range(4)), id=f"{bad} at {k}")
            for bad in (NAN, INF, -INF)
            for k in range(4)
        ),
        pytest.param((0, 0, HUGE, 1), id="more than a float can hold"),
        pytest.param((0, -HUGE, 1, 1), id="less than a float can hold"),
    ],
)
def test_what_is_no_box_is_refused(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"expected finite x1 < x2 and y1 < y2, got \("):
        Box(*corners)
    with pytest.raises(ValueError, match="expected finite x1 < x2 and y1 < y2"):
        Box.from_sequence(corners)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3),
        (1, 2, 3, 4, 5),
        (),
        ("1", 2, 3, 4),
        (False, False, True, True),
        (None, 0, 1, 1),
        ([1], 2, 3, 4),
    ],
)
def test_what_is_not_four_numbers_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected four numbers \(x1, y1, x2, y2\), got"):
        Box.from_sequence(value)


def test_a_box_measures_itself() -> None:
    box = Box.from_sequence([10, 20.5, 110, 70.5])
    assert (box.width, box.height, box.area, box.center) == (100, 50.0, 5000.0, (60.0, 45.5))
    assert tuple(box) == (10, 20.5, 110, 70.5)
    assert pickle.loads(pickle.dumps(box)) == box
    assert len({box, Box(10, 20.5, 110, 70.5)}) == 1
    with pytest.raises(AttributeError):
        box.x1 = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(-5, -5, 5, 5), Box(0, 0, 5, 5)),
        (Box(5, 5, 50, 50), Box(5, 5, 20, 10)),
        (Box(1, 1, 2, 2), Box(1, 1, 2, 2)),
        (Box(-5, -5, 500, 500), Box(0, 0, 20, 10)),
        (Box(-5, -5, 0, 5), None),
        (Box(20, 0, 30, 5), None),
        (Box(0, 10, 5, 11), None),
    ],
)
def test_clipping(box: Box, expected: Box | None) -> None:
    assert box.clipped(20, 10) == expected


# --- Polygon ---------------------------------------------------------------------------------

SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(((0, 0), (2, 2), (2, 0), (0, 2)), "Self-intersection", id="bow-tie"),
        pytest.param(((0, 0), (4, 0), (2, 0)), "expected a simple polygon", id="on one line"),
        pytest.param(
            ((0, 0), (4, 0), (4, 4), (2, 0), (0, 4)), "expected a simple polygon", id="touches"
        ),
        pytest.param(((0, 0), (1, 0)), "three distinct", id="two vertices"),
        pytest.param(((0, 0), (1, 0), (0, 0)), "three distinct", id="there and back"),
        pytest.param(((0, 0), (1, 1), (1, 1), (0, 0)), "three distinct", id="repeated"),
        pytest.param((), "three distinct", id="empty"),
        pytest.param(((0, 0, 0), (1, 0, 0), (1, 1, 0)), "three distinct", id="three axes"),
        pytest.param(((0, 0), (NAN, 0), (0, 1)), "finite", id="NaN"),
        pytest.param(((0, 0), (INF, 0), (0, 1)), "finite", id="infinite"),
        pytest.param(((0, 0), (HUGE, 0), (0, 1)), "finite", id="more than a float can hold"),
        pytest.param(((0, 0), (5e-324, 0), (0, 1.7e308)), "polygon with area", id="no area left"),
    ],
)
def test_what_is_no_polygon_is_refused(points: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Polygon(points)


def test_rings_close_themselves() -> None:
    assert Polygon((*SQUARE, SQUARE[0])) == Polygon(SQUARE)
    assert Polygon(tuple(reversed(SQUARE))).points == tuple(reversed(SQUARE))


def test_lists_become_tuples() -> None:
    polygon = Polygon([list(point) for point in SQUARE])  # type: ignore[arg-type]
    assert polygon == Polygon(SQUARE)
    assert hash(polygon) == hash(Polygon(SQUARE))
    assert pickle.loads(pickle.dumps(polygon)) == polygon


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 8e307])
def test_validity_does_not_depend_on_the_scale(scale: float) -> None:
    assert len(Polygon(tuple((x * scale, y * scale) for x, y in SQUARE)).points) == 4
    bow_tie = ((0, 0), (2 * scale, 2 * scale), (2 * scale, 0), (0, 2 * scale))
    with pytest.raises(ValueError, match="Self-intersection"):
        Polygon(bow_tie)


def test_from_box_starts_at_the_top_left_and_turns_clockwise() -> None:
    assert Polygon.from_box(Box(1, 2, 3, 5)).points == ((1, 2), (3, 2), (3, 5), (1, 5))


@_seeded
@given(
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.floats(1, 300),
    st.floats(1, 300),
    st.floats(-7, 7),
)
def test_rotated_boxes_have_their_centre_sides_and_angle(
    cx: float, cy: float, width: float, height: float, angle: float
) -> None:
    corners = np.array(Polygon.from_rotated_box(cx, cy, width, height, angle).points)
    np.testing.assert_allclose(corners.mean(axis=0), [cx, cy], atol=1e-9)
    top, right = corners[1] - corners[0], corners[2] - corners[1]
    assert np.hypot(*top) == pytest.approx(width)
    assert np.hypot(*right) == pytest.approx(height)
    np.testing.assert_allclose(top / width, [math.cos(angle), math.sin(angle)], atol=1e-9)
    np.testing.assert_allclose(right / height, [-math.sin(angle), math.cos(angle)], atol=1e-9)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 0, 1, 0), "positive finite sides and a finite angle, got width=0"),
        ((0, 0, 1, -2, 0), "height=-2"),
        ((0, 0, NAN, 1, 0), "width=nan"),
        ((0, 0, INF, 1, 0), "width=inf"),
        ((0, 0, 1, 1, NAN), "angle=nan"),
        ((NAN, 0, 1, 1, 0), "finite coordinates"),
        ((1e300, 0, 1, 1, 0), "three distinct"),
    ],
)
def test_invalid_rotated_boxes_are_refused(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Polygon.from_rotated_box(*box)
