from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import settings

from vlreward.geometry import Box, Size

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
        pytest.param((0, 0, 1, 2e12), id="farther than coordinates reach"),
        pytest.param((0, 0, 1, 5e-13), id="too thin"),
        pytest.param((0, -HUGE, 1, 1), id="less than a float can hold"),
    ],
)
def test_what_is_no_box_is_refused(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"expected finite x1 < x2 and y1 < y2 .*, got \("):
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
        (Box(-5, 0, 5e-13, 5), None),
    ],
)
def test_clipping(box: Box, expected: Box | None) -> None:
    assert box.clipped(20, 10) == expected
