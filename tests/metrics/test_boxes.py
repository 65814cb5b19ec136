"""The closed forms against exact rational arithmetic, mpmath, shapely, pycocotools, torchvision."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

import mpmath  # type: ignore[import-untyped,unused-ignore]
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vlreward.geometry import LEAST_SIDE, MOST, Box
from vlreward.metrics import box_ciou, box_diou, box_giou, box_iou

Metric = Callable[[Box, Box], float]
LOWEST: dict[Metric, float] = {box_iou: 0.0, box_giou: -1.0, box_diou: -1.0, box_ciou: -1.5}
TORCHVISION: dict[Metric, str] = {
    box_iou: "box_iou",
    box_giou: "generalized_box_iou",
    box_diou: "distance_box_iou",
    box_ciou: "complete_box_iou",
}
EVERY = pytest.mark.parametrize("metric", LOWEST, ids=lambda metric: metric.__name__)

_seeded = settings(deadline=None, derandomize=True, max_examples=40)

_any_number = st.one_of(
    st.floats(-MOST, MOST),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0, 1e-12, 1e-11, 1.0, 1 + 2**-39, 1e11, MOST, -(10**12)]),
)
_pixel = st.one_of(st.integers(0, 2000), st.floats(0, 2000, allow_subnormal=False))


def _boxes_of(number: st.SearchStrategy[float]) -> st.SearchStrategy[Box]:
    edges = st.lists(number, min_size=2, max_size=2).map(sorted)
    edges = edges.filter(lambda ends: ends[1] - ends[0] >= LEAST_SIDE)
    return st.builds(lambda x, y: Box(x[0], y[0], x[1], y[1]), edges, edges)


any_boxes = _boxes_of(_any_number)
pixel_boxes = _boxes_of(_pixel)


def _random_boxes(n: int, seed: int) -> list[Box]:
    draw = random.Random(seed)
    boxes = []
    for _ in range(n):
        x, y = draw.uniform(-50, 600), draw.uniform(-50, 400)
        boxes.append(Box(x, y, x + draw.uniform(0.5, 300), y + draw.uniform(0.5, 300)))
    return boxes


# --- oracles ---------------------------------------------------------------------------------


def _exact(a: Box, b: Box) -> dict[str, Fraction]:
    """IoU, GIoU and DIoU by their definitions, in rational arithmetic."""
    p, q = [Fraction(v) for v in a], [Fraction(v) for v in b]
    overlap = [max(Fraction(0), min(p[i + 2], q[i + 2]) - max(p[i], q[i])) for i in (0, 1)]
    hull = [max(p[i + 2], q[i + 2]) - min(p[i], q[i]) for i in (0, 1)]
    gap = [(p[i] + p[i + 2]) / 2 - (q[i] + q[i + 2]) / 2 for i in (0, 1)]
    inter = overlap[0] * overlap[1]
    union = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (p, q)) - inter
    iou = inter / union
    around = hull[0] * hull[1]
    distance = (gap[0] ** 2 + gap[1] ** 2) / (hull[0] ** 2 + hull[1] ** 2)
    return {
        "box_iou": iou,
        "box_giou": iou - (around - union) / around,
        "box_diou": iou - distance,
    }


def _mpf(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def _precise_ciou(a: Box, b: Box) -> float:
    exact = _exact(a, b)
    with mpmath.workdps(60):
        angles = [
            mpmath.atan(_mpf((Fraction(r.x2) - Fraction(r.x1)) / (Fraction(r.y2) - Fraction(r.y1))))
            for r in (a, b)
        ]
        v = 4 / mpmath.pi**2 * (angles[0] - angles[1]) ** 2
        if v == 0:
            return float(exact["box_diou"])
        return float(_mpf(exact["box_diou"]) - v**2 / (1 - _mpf(exact["box_iou"]) + v))


def _oracle(metric: Metric, a: Box, b: Box) -> float:
    if metric is box_ciou:
        return _precise_ciou(a, b)
    return float(_exact(a, b)[metric.__name__])


# --- against oracles -------------------------------------------------------------------------


@EVERY
@_seeded
@given(a=any_boxes, b=any_boxes)
@example(a=Box(-MOST, 0, MOST, LEAST_SIDE), b=Box(0, 0, MOST, 2e-12))
@example(a=Box(0, 0, 10**12, 10**12), b=Box(0, 0, 5e11, MOST))
@example(a=Box(1e11, 0, 1e11 + 2e-5, 1), b=Box(1e11, 0, 1e11 + 4e-5, 1))
@example(a=Box(0, 0, 1, 1), b=Box(0, 0, 1, 1 + 2**-52))
def test_equals_exact_arithmetic_for_every_pair_of_boxes(metric: Metric, a: Box, b: Box) -> None:
    value = metric(a, b)
    assert value == pytest.approx(_oracle(metric, a, b), abs=2e-15)
    assert LOWEST[metric] <= value <= 1


@_seeded
@given(a=pixel_boxes, b=pixel_boxes)
def test_iou_has_a_small_relative_error_too(a: Box, b: Box) -> None:
    assert box_iou(a, b) == pytest.approx(float(_exact(a, b)["box_iou"]), rel=1e-12, abs=0)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # shapely 2.0's, not ours
def test_equals_shapely() -> None:
    for a, b in zip(_random_boxes(300, 1), _random_boxes(300, 2), strict=True):
        p, q = shapely.box(*a), shapely.box(*b)
        inter, union = p.intersection(q).area, p.union(q).area
        hull = shapely.box(*p.union(q).bounds)
        assert box_iou(a, b) == pytest.approx(inter / union, abs=1e-12)
        assert box_giou(a, b) == pytest.approx(
            inter / union - (hull.area - union) / hull.area, abs=1e-12
        )
        x1, y1, x2, y2 = hull.bounds
        distance = p.centroid.distance(q.centroid) / math.hypot(x2 - x1, y2 - y1)
        assert box_diou(a, b) == pytest.approx(inter / union - distance**2, abs=1e-9)


def test_iou_equals_pycocotools() -> None:
    coco_mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    first, second = _random_boxes(60, 3), _random_boxes(60, 4)
    as_xywh = [[[b.x1, b.y1, b.width, b.height] for b in boxes] for boxes in (first, second)]
    table = coco_mask.iou(as_xywh[0], as_xywh[1], [0] * len(second))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            assert box_iou(a, b) == pytest.approx(table[i, j], abs=1e-12)


@EVERY
def test_equals_torchvision(metric: Metric) -> None:
    ops = pytest.importorskip("torchvision.ops", reason="torchvision is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = getattr(ops, TORCHVISION[metric])
    first, second = _random_boxes(50, 5), _random_boxes(50, 6)
    columns = [torch.tensor([list(b) for b in boxes]).double() for boxes in (first, second)]
    table = theirs(*columns).tolist()
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            assert metric(a, b) == pytest.approx(table[i][j], abs=1e-6)


# --- invariants ------------------------------------------------------------------------------


@EVERY
@_seeded
@given(a=any_boxes, b=any_boxes)
def test_is_symmetric(metric: Metric, a: Box, b: Box) -> None:
    assert metric(a, b) == pytest.approx(metric(b, a), abs=2e-15)


@EVERY
@_seeded
@given(a=any_boxes)
def test_is_one_for_equal_boxes(metric: Metric, a: Box) -> None:
    assert metric(a, a) == 1.0


@EVERY
@_seeded
@given(a=pixel_boxes, b=pixel_boxes, dx=st.integers(-3000, 3000), dy=st.integers(-3000, 3000))
def test_does_not_change_when_both_move(metric: Metric, a: Box, b: Box, dx: int, dy: int) -> None:
    assume(min(a.width, a.height, b.width, b.height) > 1e-3)
    moved = [Box(r.x1 + dx, r.y1 + dy, r.x2 + dx, r.y2 + dy) for r in (a, b)]
    assert metric(*moved) == pytest.approx(metric(a, b), abs=1e-8)


@EVERY
@_seeded
@given(a=pixel_boxes, b=pixel_boxes, exponent=st.integers(-28, 28))
def test_does_not_change_when_both_are_scaled(
    metric: Metric, a: Box, b: Box, exponent: int
) -> None:
    assume(min(a.width, a.height, b.width, b.height) > 1e-3)
    scaled = [Box(*(math.ldexp(v, exponent) for v in r)) for r in (a, b)]
    assert metric(*scaled) == pytest.approx(metric(a, b), abs=4e-15)


@_seeded
@given(a=any_boxes, b=any_boxes)
def test_the_penalties_only_lower_the_iou(a: Box, b: Box) -> None:
    iou, giou, diou, ciou = (metric(a, b) for metric in LOWEST)
    assert giou <= iou
    assert ciou <= diou <= iou


@pytest.mark.parametrize(
    ("a", "b", "iou", "giou"),
    [
        pytest.param(Box(0, 0, 1, 1), Box(1, 0, 2, 1), 0.0, 0.0, id="share an edge"),
        pytest.param(Box(0, 0, 1, 1), Box(1, 1, 2, 2), 0.0, -0.5, id="share a corner"),
        pytest.param(Box(0, 0, 4, 4), Box(1, 1, 3, 3), 0.25, 0.25, id="one inside the other"),
        pytest.param(Box(0, 0, 1, 1), Box(99, 99, 100, 100), 0.0, -0.9998, id="far apart"),
    ],
)
def test_values_worked_out_by_hand(a: Box, b: Box, iou: float, giou: float) -> None:
    assert box_iou(a, b) == pytest.approx(iou, abs=1e-15)
    assert box_giou(a, b) == pytest.approx(giou, abs=1e-15)


def test_ciou_comes_near_its_lower_bound() -> None:
    """Two needles at right angles, far apart: d^2 / c^2 and v near 1, alpha near 1/2."""
    needle, other = Box(0, 0, 1e-9, 1e-3), Box(1e9, 1e9, 1e9 + 10, 1e9 + 1e-5)
    assert -1.5 <= box_ciou(needle, other) < -1.49
