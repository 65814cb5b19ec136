from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vlreward import metrics
from vlreward.geometry import LEAST_SIDE, MOST, Box
from vlreward.metrics import boxes_giou, boxes_iou, pairwise_iou

NAMES = ["iou", "giou", "diou", "ciou"]
Batched = Callable[..., NDArray[np.float64]]


def _random(n: int, seed: int) -> NDArray[np.float64]:
    boxes = np.random.default_rng(seed).uniform(0, 300, size=(n, 4))
    boxes[:, 2:] += boxes[:, :2] + 0.5
    return boxes


EXTREME = np.array(
    [
        [0, 0, MOST, MOST],
        [0, 0, LEAST_SIDE, LEAST_SIDE],
        [-MOST, -MOST, MOST, MOST],
        [0, 0, LEAST_SIDE, MOST],
        [0, 0, MOST, LEAST_SIDE],
        [1, 2, 30, 40],
    ]
)


def _scalar(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> list[float]:
    metric = getattr(metrics, f"box_{name}")
    return [metric(Box(*p), Box(*q)) for p, q in zip(a.tolist(), b.tolist(), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_scalar_function(name: str) -> None:
    a, b = _random(500, 1), _random(500, 2)
    a[:20] = b[:20]  # equal boxes
    a[20:40, 2:] = a[20:40, :2] + 1  # small and mostly apart
    result = getattr(metrics, f"boxes_{name}")(a, b)
    assert result.shape == (500,)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, _scalar(name, a, b), rtol=0, atol=2e-15)
    assert (result[:20] == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_extreme_rows_equal_the_scalar_function(name: str) -> None:
    a, b = np.repeat(EXTREME, len(EXTREME), axis=0), np.tile(EXTREME, (len(EXTREME), 1))
    result = getattr(metrics, f"boxes_{name}")(a, b)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result, _scalar(name, a, b), rtol=0, atol=2e-15)


def test_pairwise_equals_pycocotools() -> None:
    coco_mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    a, b = _random(40, 3), _random(30, 4)
    as_xywh = [np.hstack([r[:, :2], r[:, 2:] - r[:, :2]]) for r in (a, b)]
    theirs = coco_mask.iou(as_xywh[0], as_xywh[1], np.zeros(len(b), dtype=np.uint8))
    np.testing.assert_allclose(pairwise_iou(a, b), theirs, rtol=0, atol=1e-12)


def test_pairwise_extremes_equal_elementwise() -> None:
    table = pairwise_iou(EXTREME, EXTREME[:4])
    assert table.shape == (6, 4)
    for j in range(4):
        column = boxes_iou(EXTREME, np.repeat(EXTREME[j : j + 1], 6, axis=0))
        np.testing.assert_array_equal(table[:, j], column)


def test_nothing_in_nothing_out() -> None:
    none = np.empty((0, 4))
    assert boxes_giou([], none).shape == (0,)
    assert pairwise_iou(none, [[0, 0, 1, 1]]).shape == (0, 1)
    assert pairwise_iou([[0, 0, 1, 1]], []).shape == (1, 0)


def test_inputs_are_not_changed() -> None:
    a, b = EXTREME.copy(), EXTREME[::-1].copy()
    boxes_iou(a, b)
    np.testing.assert_array_equal(a, EXTREME)
    np.testing.assert_array_equal(b, EXTREME[::-1])


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([10, 0, 5, 5], id="inverted in x"),
        pytest.param([0, 10, 5, 5], id="inverted in y"),
        pytest.param([3, 0, 3, 5], id="no width"),
        pytest.param([0, 4, 5, 4], id="no height"),
        pytest.param([0, 0, 0, 0], id="a point"),
        pytest.param([float("nan"), 0, 5, 5], id="NaN left"),
        pytest.param([0, 0, 5, float("nan")], id="NaN bottom"),
        pytest.param([0, 0, float("inf"), 5], id="infinite right"),
        pytest.param([0, -float("inf"), 5, 5], id="infinite top"),
        pytest.param([0, 0, 2e12, 5], id="too far"),
        pytest.param([0, 0, 5e-13, 5], id="too thin"),
    ],
)
@pytest.mark.parametrize("function", ["boxes_iou", "boxes_ciou", "pairwise_iou"])
def test_the_first_row_that_is_no_box_is_named(function: str, row: list[float]) -> None:
    good = _random(4, 5)
    bad = good.copy()
    bad[2] = bad[3] = row
    with pytest.raises(ValueError, match=r"every row of b, got \[.*\] in row 2$"):
        getattr(metrics, function)(good, bad)
    with pytest.raises(ValueError, match=r"every row of a, .* in row 2$"):
        getattr(metrics, function)(bad, good)
    with pytest.raises(ValueError, match="x1 < x2"):
        Box(*row)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2, 3, 4], [[1, 2, 3, 4]], r"a of shape \(n, 4\), got shape \(4,\)"),
        ([[1, 2, 3, 4]], [[1, 2, 3]], r"b of shape \(n, 4\), got shape \(1, 3\)"),
        ([[1, 2, 3, 4]], [[1, 2, 3, 4]] * 2, "one length, got 1 and 2 rows"),
    ],
)
def test_wrong_shapes_are_refused(a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        boxes_iou(a, b)
