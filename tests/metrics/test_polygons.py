from __future__ import annotations

import math
import pickle
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vlreward import geometry
from vlreward.geometry import MOST, Box
from vlreward.metrics import Polygon, RotatedBox, box_iou, polygon_iou, rotated_box_iou
from vlreward.metrics.points import point_inside

_seeded = settings(deadline=None, derandomize=True, max_examples=40)
_place = st.floats(0, 500)
_side = st.floats(1, 300)
_angle = st.floats(-10, 10)
rotated = st.builds(RotatedBox, _place, _place, _side, _side, _angle)

L_SHAPE = Polygon(((0, 0), (4, 0), (4, 2), (2, 2), (2, 4), (0, 4)))
SQUARE = Polygon(((2, 2), (4, 2), (4, 4), (2, 4)))


def _scaled(polygon: Polygon, scale: float) -> Polygon:
    return Polygon(tuple((x * scale, y * scale) for x, y in polygon.points))


@_seeded
@given(st.lists(_place, min_size=4, max_size=4), st.lists(_side, min_size=4, max_size=4))
def test_axis_aligned_polygons_equal_the_closed_form(xy: list[float], wh: list[float]) -> None:
    a = Box(xy[0], xy[1], xy[0] + wh[0], xy[1] + wh[1])
    b = Box(xy[2], xy[3], xy[2] + wh[2], xy[3] + wh[3])
    value = polygon_iou(Polygon.from_box(a), Polygon.from_box(b))
    assert value == pytest.approx(box_iou(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param(L_SHAPE, SQUARE, 0.0, id="the notch of an L touches, no area in common"),
        pytest.param(L_SHAPE, Polygon(((0, 0), (4, 0), (4, 4), (0, 4))), 0.75, id="L in a square"),
        pytest.param(L_SHAPE, L_SHAPE, 1.0, id="equal"),
        pytest.param(
            L_SHAPE, Polygon(tuple(reversed(L_SHAPE.points))), 1.0, id="other orientation"
        ),
        pytest.param(
            Polygon(((0, 0), (4, 0), (0, 4))), Polygon(((4, 4), (4, 0), (0, 4))), 0.0, id="halves"
        ),
    ],
)
def test_values_worked_out_by_hand(a: Polygon, b: Polygon, expected: float) -> None:
    assert polygon_iou(a, b) == pytest.approx(expected, abs=1e-12)
    assert polygon_iou(b, a) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-11, 1e-9, 1.0, 1e9, 2e11])
def test_scale_does_not_matter(scale: float) -> None:
    big = Polygon(((0, 0), (4, 0), (4, 4), (0, 4)))
    assert polygon_iou(_scaled(L_SHAPE, scale), _scaled(big, scale)) == pytest.approx(0.75)


def test_a_speck_in_a_giant_overlaps_by_nothing() -> None:
    assert polygon_iou(_scaled(SQUARE, 1e-11), _scaled(L_SHAPE, 1e11)) == pytest.approx(0)
    assert polygon_iou(_scaled(L_SHAPE, 1e11), _scaled(SQUARE, 1e-11)) == pytest.approx(0)


def test_small_polygons_far_from_the_origin() -> None:
    a = Polygon.from_rotated_box(1e7, -2e7, 10, 3, 0.3)
    b = Polygon.from_rotated_box(1e7 + 1, -2e7 + 1, 10, 4, 0.5)
    assert polygon_iou(a, b) == pytest.approx(_exact_iou(a, b), abs=1e-9)


def test_polygons_as_wide_as_coordinates_reach() -> None:
    whole = Polygon(((-MOST, -MOST), (MOST, -MOST), (MOST, MOST), (-MOST, MOST)))
    half = Polygon(((-MOST, -MOST), (MOST, -MOST), (MOST, MOST)))
    assert polygon_iou(whole, half) == pytest.approx(0.5, abs=1e-9)


@_seeded
@given(a=rotated, b=rotated, turn=_angle)
def test_rotated_boxes_keep_their_iou_when_both_turn(
    a: RotatedBox, b: RotatedBox, turn: float
) -> None:
    def turned(box: RotatedBox) -> RotatedBox:
        cos, sin = math.cos(turn), math.sin(turn)
        return RotatedBox(
            box.cx * cos - box.cy * sin,
            box.cx * sin + box.cy * cos,
            box.width,
            box.height,
            box.angle + turn,
        )

    value = rotated_box_iou(a, b)
    assert 0 <= value <= 1
    assert value == pytest.approx(rotated_box_iou(b, a), abs=1e-9)
    assert value == pytest.approx(rotated_box_iou(turned(a), turned(b)), abs=1e-8)
    assert rotated_box_iou(a, a) == 1.0


Ring = list[tuple[Fraction, Fraction]]


def _ring(polygon: Polygon) -> Ring:
    ring = [(Fraction(x), Fraction(y)) for x, y in polygon.points]
    return ring if _area(ring) > 0 else ring[::-1]


def _area(ring: Ring) -> Fraction:
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return sum((p[0] * q[1] - q[0] * p[1] for p, q in pairs), Fraction(0)) / 2


def _exact_iou(a: Polygon, b: Polygon) -> float:
    """Convex polygons only: one clipped by each edge of the other, in rational arithmetic."""
    first, second = _ring(a), _ring(b)
    common = first
    for (ax, ay), (bx, by) in zip(second, second[1:] + second[:1], strict=True):
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in common]
        kept: Ring = []
        for i, (p, s) in enumerate(zip(common, sides, strict=True)):
            q, t = common[(i + 1) % len(common)], sides[(i + 1) % len(common)]
            if s >= 0:
                kept.append(p)
            if s * t < 0:
                cut = s / (s - t)
                kept.append((p[0] + cut * (q[0] - p[0]), p[1] + cut * (q[1] - p[1])))
        common = kept
    inter = _area(common)
    return float(inter / (_area(first) + _area(second) - inter))


@_seeded
@given(a=rotated, b=rotated)
def test_rotated_boxes_equal_exact_clipping(a: RotatedBox, b: RotatedBox) -> None:
    p, q = Polygon.from_rotated_box(*a), Polygon.from_rotated_box(*b)
    assert rotated_box_iou(a, b) == pytest.approx(_exact_iou(p, q), abs=1e-9)


@_seeded
@given(a=rotated, step=st.sampled_from([1e-16, 1e-12, 1e-9, 1e-6]), turns=st.integers(0, 3))
def test_nearly_equal_boxes_equal_exact_clipping(a: RotatedBox, step: float, turns: int) -> None:
    width, height = (a.width, a.height) if turns % 2 == 0 else (a.height, a.width)
    angle = a.angle + turns * math.pi / 2
    b = RotatedBox(a.cx + step, a.cy - step, width + step, height, angle * (1 + step))
    p, q = Polygon.from_rotated_box(*a), Polygon.from_rotated_box(*b)
    assert rotated_box_iou(a, b) == pytest.approx(_exact_iou(p, q), abs=1e-9)


@_seeded
@given(a=rotated)
# Without a grid, shapely finds no overlap in these:
@example(a=RotatedBox(283, 60, 74, 56, -0.589))
@example(a=RotatedBox(100, 232, 102, 242, -1.761))
@example(a=RotatedBox(128.0944297679567, 0.0, 183.8748890093372, 242.125, 8.875))
def test_a_quarter_turn_swaps_the_sides(a: RotatedBox) -> None:
    swapped = RotatedBox(a.cx, a.cy, a.height, a.width, a.angle + math.pi / 2)
    assert rotated_box_iou(a, swapped) == pytest.approx(1.0, abs=1e-9)


def test_angles_turn_clockwise_on_the_screen() -> None:
    """A long box turned by a small angle dips at its right end, where y is larger."""
    bar = RotatedBox(0, 0, 10, 1, math.radians(30))
    below_right = RotatedBox(4 * math.cos(math.pi / 6), 4 * math.sin(math.pi / 6), 1, 1, 0)
    above_right = RotatedBox(4 * math.cos(math.pi / 6), -4 * math.sin(math.pi / 6), 1, 1, 0)
    assert rotated_box_iou(bar, below_right) > 0.05
    assert rotated_box_iou(bar, above_right) == 0.0


def test_equals_rasterised_masks_of_pycocotools() -> None:
    coco_mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    draw = np.random.default_rng(0)
    side = 1000
    for _ in range(20):
        shapes = [
            Polygon.from_rotated_box(
                *draw.uniform([400, 400, 150, 150, 0], [600, 600, 500, 500, 3])
            )
            for _ in range(2)
        ]
        masks = [
            coco_mask.frPyObjects([[c for point in shape.points for c in point]], side, side)
            for shape in shapes
        ]
        theirs = coco_mask.iou(masks[0], masks[1], [0])[0, 0]
        assert polygon_iou(*shapes) == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 0, 1, 0), (0, 0, 1, -1, 0), (0, 0, 1, 1, math.inf), (math.nan, 0, 1, 1, 0)],
)
def test_invalid_rotated_boxes_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected .*finite"):
        rotated_box_iou(RotatedBox(*box), RotatedBox(0, 0, 1, 1, 0))


NAN, INF, HUGE = math.nan, math.inf, 10**400


# --- Polygon ---------------------------------------------------------------------------------

CORNERS = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))


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
        pytest.param(((0, 0), (2e12, 0), (0, 1)), "within 1e", id="too far"),
        pytest.param(((0, 0), (1e-30, 0), (0, 1)), "polygon with area", id="no area left"),
    ],
)
def test_what_is_no_polygon_is_refused(points: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Polygon(points)


def test_rings_close_themselves() -> None:
    assert Polygon((*CORNERS, CORNERS[0])) == Polygon(CORNERS)
    assert Polygon(tuple(reversed(CORNERS))).points == tuple(reversed(CORNERS))


def test_lists_become_tuples() -> None:
    polygon = Polygon([list(point) for point in CORNERS])  # type: ignore[arg-type]
    assert polygon == Polygon(CORNERS)
    assert hash(polygon) == hash(Polygon(CORNERS))
    assert pickle.loads(pickle.dumps(polygon)) == polygon


@pytest.mark.parametrize("scale", [1e-11, 1.0, 4e11])
def test_validity_does_not_depend_on_the_scale(scale: float) -> None:
    assert len(Polygon(tuple((x * scale, y * scale) for x, y in CORNERS)).points) == 4
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
        ((2e12, 0, 1, 1, 0), "finite coordinates within"),
    ],
)
def test_sides_and_angles_that_are_none(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Polygon.from_rotated_box(*box)


def test_geometry_still_has_it() -> None:
    assert geometry.Polygon is Polygon
    assert "Polygon" in geometry.__all__
    with pytest.raises(AttributeError, match="no attribute 'Polygons'"):
        geometry.Polygons  # noqa: B018


_NUMBER = st.sampled_from([0.0, 1.0, 3.0, 1e-17, -1e-12, 1e11, 3.0000000001]) | st.floats(
    -MOST, MOST
)
_POINTS = st.lists(st.tuples(_NUMBER, _NUMBER), min_size=3, max_size=6)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(first=_POINTS, second=_POINTS, nudge=st.sampled_from([0, 1e-16, 1e-13, 1e-10]))
@example(  # shapely 2.1 divides by zero on its way
    first=[(412.98827341454466, 0), (1.0751392297897567e229, -1e-12),
           (542.1829189710706, 457417842.1466374), (-1e-12, 657.4421008860945)],
    second=[(412.9882734144668, 0), (1.0751392297897567e229, -1e-12),
            (542.1829189710287, 457417842.1466374), (-9.99936493130437e-13, 657.4421008860945)],
    nudge=0,
)  # fmt: skip
@example(  # and overflows here
    first=[(550.0699882168104, 5.986910769298146e202), (5.3908799057086734e125, 1e-09),
           (-1, 5.7265668247664481e-18), (0, 978.4824831135953)],
    second=[(0, 0), (1, 0), (0, 1)],
    nudge=0,
)  # fmt: skip
def test_nothing_that_a_model_can_write_raises(
    first: list[tuple[float, float]], second: list[tuple[float, float]], nudge: float
) -> None:
    """Warnings are errors here, so shapely's are too."""
    made = []
    for points in (first, second, [(x * (1 + nudge), y + nudge) for x, y in first]):
        with suppress(ValueError):
            made.append(Polygon(tuple(points)))
    for a in made:
        assert point_inside(first[0], a) in (0.0, 1.0)
        for b in made:
            assert 0 <= polygon_iou(a, b) <= 1
