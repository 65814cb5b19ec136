"""COCO's average precision of detections, the numbers of pycocotools without its printing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["COCO_IOUS", "CocoBox", "coco_ap"]

COCO_IOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""The IoUs over which mAP is the mean."""

_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST = 100  # detections of one label in one image that count
_LARGEST = 1e5**2  # area in pixels; what is unmatched and larger is ignored

_Corners = tuple[float, float, float, float]


class CocoBox(NamedTuple):
    """A labelled box with a score; the box may be any four finite numbers."""

    corners: _Corners
    """(x1, y1, x2, y2) in pixels."""
    label: str
    """Category."""
    score: float = 1.0
    """Confidence. Of equal ones the order of the list decides, as for models that give none."""


def coco_ap(
    images: Sequence[tuple[Sequence[CocoBox], Sequence[CocoBox]]],
    ious: Sequence[float] = COCO_IOUS,
) -> float | None:
    """Mean over labels and IoUs of the area under the interpolated precision-recall curve.

    As `COCOeval.stats[0]`, or `stats[1]` with `ious=(0.5,)`: all areas, 100 detections for each
    label and image, 101 recalls. Only labels of the gold count, so detections of other labels cost
    nothing, and neither does what comes after the last right one: good for comparing detectors
    with scores, bad as a reward for models that have none. See `detection_f1`.

    Args:
        images: (predicted, gold) for each image. The score of a gold box is not read.
        ious: A pair counts at these IoUs and above.

    Returns:
        A number in [0, 1]; None without any gold, where COCO has -1.

    Source: Lin et al. 2014, Microsoft COCO, arXiv 1405.0312, and the behaviour of pycocotools.

    Example:
        >>> box, junk = CocoBox((0, 0, 9, 9), "a"), CocoBox((50, 50, 60, 60), "a")
        >>> round(coco_ap([([box, junk], [box])]), 3), round(coco_ap([([junk, box], [box])]), 3)
        (1.0, 0.5)
    """
    labels = sorted({box.label for _, gold in images for box in gold})
    if not labels:
        return None
    curves = [_precisions(images, label, ious) for label in labels]
    return float(np.mean(curves))


def _precisions(
    images: Sequence[tuple[Sequence[CocoBox], Sequence[CocoBox]]],
    label: str,
    ious: Sequence[float],
) -> NDArray[np.float64]:
    """Precision of one label, shape (ious, recalls)."""
    golds = 0
    scores: list[float] = []
    right: list[list[bool]] = [[] for _ in ious]
    ignored: list[list[bool]] = [[] for _ in ious]
    for predicted, gold in images:
        there = [box.corners for box in gold if box.label == label]
        found = [box for box in predicted if box.label == label]
        found = sorted(found, key=lambda box: -box.score)[:_MOST]
        golds += len(there)
        scores += [box.score for box in found]
        overlaps = [[_iou(box.corners, other) for other in there] for box in found]
        outside = [not 0 <= _area(box.corners) <= _LARGEST for box in found]
        for k, iou in enumerate(ious):
            hits = _greedy(overlaps, len(there), min(iou, 1 - 1e-10))
            right[k] += hits
            ignored[k] += [out and not hit for out, hit in zip(outside, hits)]
    order = np.argsort([-score for score in scores], kind="stable")
    result = np.zeros((len(ious), len(_RECALLS)))
    if not scores:
        return result
    for k in range(len(ious)):
        hit = np.asarray(right[k])[order]
        miss = ~hit & ~np.asarray(ignored[k])[order]
        true, false = np.cumsum(hit, dtype=float), np.cumsum(miss, dtype=float)
        precision = true / (true + false + np.spacing(1))
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(true / golds, _RECALLS, side="left")
        reached = places < len(precision)
        result[k, reached] = precision[places[reached]]
    return result


def _greedy(overlaps: list[list[float]], golds: int, iou: float) -> list[bool]:
    """Whether each detection, in order, finds a gold box of its own: the last of the best."""
    free = [True] * golds
    hits = []
    for row in overlaps:
        best, match = iou, -1
        for j, overlap in enumerate(row):
            if free[j] and overlap >= best:
                best, match = overlap, j
        if match >= 0:
            free[match] = False
        hits.append(match >= 0)
    return hits


def _area(box: _Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _iou(a: _Corners, b: _Corners) -> float:
    # With x + width for the far edge, as pycocotools has it: rounding may differ from x2.
    width = min(a[0] + (a[2] - a[0]), b[0] + (b[2] - b[0])) - max(a[0], b[0])
    height = min(a[1] + (a[3] - a[1]), b[1] + (b[3] - b[1])) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    union = _area(a) + _area(b) - inter
    return inter / union if union else 0.0
