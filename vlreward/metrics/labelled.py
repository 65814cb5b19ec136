"""Agreement of two sets of labelled boxes: F1, precision and recall by one-to-one matching.

A box matches at most one other, of an equal label (labels are compared as they are: normalise
before). So a duplicate, a junk box and a box of an unknown label all cost precision, wherever they
stand in the list, and a missing one costs recall. Where both sets are empty every number is 1:
saying that nothing is there is right where nothing is; where one alone is empty, it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vlreward.geometry import Box
from vlreward.metrics.boxes import box_iou

__all__ = [
    "F1_THRESHOLDS",
    "Labelled",
    "detection_f1",
    "detection_mean_f1",
    "detection_precision",
    "detection_recall",
    "one_to_one",
]

Labelled = tuple[Box, str]
"""A box and what it is called; both sides of a comparison in the same frame."""

F1_THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))
"""The IoUs 0.50, 0.55, ..., 0.95 of COCO."""


def detection_f1(
    predicted: Sequence[Labelled], gold: Sequence[Labelled], threshold: float | None = None
) -> float:
    """2 m / (n_predicted + n_gold), with the m of the best one-to-one matching of equal labels.

    Args:
        predicted: What was found.
        gold: What is there.
        threshold: A pair counts 1 if its IoU is at least this, as in COCO, else 0. None for the
            soft F1: a pair counts its IoU.

    Returns:
        A number in [0, 1].

    Example:
        >>> cat, dog = (Box(0, 0, 10, 10), "cat"), (Box(20, 0, 30, 10), "dog")
        >>> detection_f1([cat], [cat, dog]), detection_f1([cat, cat, dog], [cat, dog])
        (0.6666666666666666, 0.8)
        >>> half = (Box(0, 0, 10, 5), "cat")
        >>> detection_f1([half], [cat]), detection_f1([half], [cat], 0.5), detection_f1([], [])
        (0.5, 1.0, 1.0)
    """
    return _share(predicted, gold, threshold, lambda n, m: (n + m) / 2)


def detection_precision(
    predicted: Sequence[Labelled], gold: Sequence[Labelled], threshold: float | None = None
) -> float:
    """m / n_predicted: the share of what was said that is right. In [0, 1]; see `detection_f1`."""
    return _share(predicted, gold, threshold, lambda n, _: n)


def detection_recall(
    predicted: Sequence[Labelled], gold: Sequence[Labelled], threshold: float | None = None
) -> float:
    """m / n_gold: the share of what is there that was found. In [0, 1]; see `detection_f1`."""
    return _share(predicted, gold, threshold, lambda _, m: m)


def detection_mean_f1(predicted: Sequence[Labelled], gold: Sequence[Labelled]) -> float:
    """The mean of `detection_f1` at the IoUs of `F1_THRESHOLDS`. In [0, 1]."""
    if not predicted or not gold:
        return float(not predicted and not gold)
    ious = _ious(predicted, gold)
    found = sum(_matched(ious, threshold) for threshold in F1_THRESHOLDS)
    return 2 * found / (len(predicted) + len(gold)) / len(F1_THRESHOLDS)


def one_to_one(weights: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs (row, column), each row and column in one at most, of the greatest total weight.

    Args:
        weights: Rows of equal length, none negative. A weight of 0 forbids the pair.

    Returns:
        The pairs in the order of the rows. Of several best matchings, any one.

    Example:
        >>> one_to_one([[0.9, 0.8], [0.8, 0.0]])  # greedy would take 0.9 and end with 0.9
        [(0, 1), (1, 0)]
    """
    pairs = [(i, j) for i, row in enumerate(weights) for j, weight in enumerate(row) if weight > 0]
    # Mostly every row and column has one candidate: nothing to choose, and no scipy to import.
    if len({i for i, _ in pairs}) == len(pairs) == len({j for _, j in pairs}):
        return pairs
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.asarray(weights, dtype=np.float64), maximize=True)
    return [(i, j) for i, j in zip(rows.tolist(), columns.tolist()) if weights[i][j] > 0]


def _share(
    predicted: Sequence[Labelled],
    gold: Sequence[Labelled],
    threshold: float | None,
    whole: Callable[[int, int], float],
) -> float:
    if not predicted or not gold:
        return float(not predicted and not gold)
    return _matched(_ious(predicted, gold), threshold) / whole(len(predicted), len(gold))


def _ious(predicted: Sequence[Labelled], gold: Sequence[Labelled]) -> list[list[float]]:
    return [
        [box_iou(box, other) if name == label else 0.0 for other, label in gold]
        for box, name in predicted
    ]


def _matched(ious: list[list[float]], threshold: float | None) -> float:
    if threshold is None:
        return sum(ious[i][j] for i, j in one_to_one(ious))
    return len(one_to_one([[float(iou >= threshold) for iou in row] for row in ious]))
