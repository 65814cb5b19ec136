from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.geometry import Box
from vlreward.metrics import MISSING_BOX, box_iou, pixel_iou

_seeded = settings(deadline=None, derandomize=True, max_examples=120)
_edges = st.lists(st.integers(0, 12), min_size=2, max_size=2, unique=True).map(sorted)
small_boxes = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), _edges, _edges)
_number = st.one_of(st.floats(), st.integers(), st.sampled_from([0, 10**400, -(10**400)]))
anything = st.tuples(_number, _number, _number, _number)


def _pixels(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@_seeded
@given(a=small_boxes, b=small_boxes)
def test_counts_pixels_but_not_a_single_common_row_or_column(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int]
) -> None:
    common = _pixels(a) & _pixels(b)
    if len({x for x, _ in common}) < 2 or len({y for _, y in common}) < 2:
        common = set()
    union = len(_pixels(a)) + len(_pixels(b)) - len(common)
    assert pixel_iou(a, b) == len(common) / union
    assert pixel_iou(b, a) == pixel_iou(a, b)
    assert pixel_iou(a, b) <= box_iou(Box(*a), Box(*b))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 1, 1), (0, 0, 1, 1), 0.0, id="equal boxes in [0, 1]"),
        pytest.param((5, 0, 6, 50), (5, 0, 6, 50), 0.0, id="equal boxes one pixel wide"),
        pytest.param((0, 0, 9, 9), (0, 0, 9, 9), 1.0, id="equal boxes"),
        pytest.param((0.5, 0.5, 9.5, 9.5), (0.5, 0.5, 9.5, 9.5), 1.0, id="decimals"),
        pytest.param(MISSING_BOX, (10, 10, 20, 20), 0.0, id="missing"),
        pytest.param((20, 20, 10, 10), (10, 10, 20, 20), 0.0, id="inverted twice"),
        pytest.param((3, 3, 3, 3), (7, 7, 7, 7), 0.0, id="ZeroDivisionError originally"),
        pytest.param(MISSING_BOX, MISSING_BOX, 0.0, id="missing against no area"),
        pytest.param((0, 0, 10**400, 10**400), (0.5, 0.5, 9.5, 9.5), 0.0, id="OverflowError"),
        pytest.param((0, 0, math.inf, math.inf), (1, 1, 2, 2), 0.0, id="infinite"),
        pytest.param((math.nan, 0, 1, 1), (0, 0, 1, 1), 0.0, id="NaN"),
    ],
)
def test_cases(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert pixel_iou(a, b) == expected


@_seeded
@given(a=anything, b=anything)
def test_is_total_and_finite(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert math.isfinite(pixel_iou(a, b))


def test_needs_four_numbers() -> None:
    with pytest.raises(ValueError, match="unpack"):
        pixel_iou((1, 2, 3), (1, 2, 3, 4))
