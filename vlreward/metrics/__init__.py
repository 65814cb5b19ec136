"""Pure metric functions: validated values in, a number out, no input or output.

Importing this package loads none of its modules; each public name loads its own on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.metrics.attempts import best_of, majority_of, spread
    from vlreward.metrics.batched import boxes_ciou, boxes_diou, boxes_giou, boxes_iou, pairwise_iou
    from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou
    from vlreward.metrics.coco import COCO_IOUS, CocoBox, coco_ap
    from vlreward.metrics.compat import MISSING_BOX, pixel_iou
    from vlreward.metrics.counts import count_error, count_exact, count_soft, count_within_one
    from vlreward.metrics.intervals import (
        Interval,
        bootstrap_difference,
        bootstrap_mean,
        mcnemar_exact,
        wilson_interval,
    )
    from vlreward.metrics.labelled import (
        F1_THRESHOLDS,
        Labelled,
        detection_f1,
        detection_mean_f1,
        detection_precision,
        detection_recall,
    )
    from vlreward.metrics.matching import one_to_one
    from vlreward.metrics.points import Circle, Region, point_closeness, point_inside
    from vlreward.metrics.polygons import Polygon, RotatedBox, polygon_iou, rotated_box_iou
    from vlreward.metrics.text import (
        MAX_REPETITION_CHARS,
        OPEN_R1_TAGS,
        THINK_ANSWER_TAGS,
        cosine_length,
        ngram_repetition,
        repetition,
        soft_overlong,
        tag_count,
    )

__all__ = [
    "COCO_IOUS",
    "F1_THRESHOLDS",
    "MAX_REPETITION_CHARS",
    "MISSING_BOX",
    "OPEN_R1_TAGS",
    "THINK_ANSWER_TAGS",
    "Circle",
    "CocoBox",
    "Interval",
    "Labelled",
    "Polygon",
    "Region",
    "RotatedBox",
    "best_of",
    "bootstrap_difference",
    "bootstrap_mean",
    "box_ciou",
    "box_diou",
    "box_giou",
    "box_iou",
    "boxes_ciou",
    "boxes_diou",
    "boxes_giou",
    "boxes_iou",
    "coco_ap",
    "cosine_length",
    "count_error",
    "count_exact",
    "count_soft",
    "count_within_one",
    "detection_f1",
    "detection_mean_f1",
    "detection_precision",
    "detection_recall",
    "majority_of",
    "mcnemar_exact",
    "ngram_repetition",
    "one_to_one",
    "pairwise_iou",
    "pixel_iou",
    "point_closeness",
    "point_inside",
    "polygon_iou",
    "repetition",
    "rotated_box_iou",
    "soft_overlong",
    "spread",
    "tag_count",
    "wilson_interval",
]

_MODULES = {
    "attempts": ("best_of", "majority_of", "spread"),
    "batched": ("boxes_ciou", "boxes_diou", "boxes_giou", "boxes_iou", "pairwise_iou"),
    "boxes": ("box_ciou", "box_diou", "box_giou", "box_iou"),
    "coco": ("COCO_IOUS", "CocoBox", "coco_ap"),
    "compat": ("MISSING_BOX", "pixel_iou"),
    "counts": ("count_error", "count_exact", "count_soft", "count_within_one"),
    "labelled": (
        "F1_THRESHOLDS",
        "Labelled",
        "detection_f1",
        "detection_mean_f1",
        "detection_precision",
        "detection_recall",
    ),
    "intervals": (
        "Interval",
        "bootstrap_difference",
        "bootstrap_mean",
        "mcnemar_exact",
        "wilson_interval",
    ),
    "matching": ("one_to_one",),
    "points": ("Circle", "Region", "point_closeness", "point_inside"),
    "polygons": ("Polygon", "RotatedBox", "polygon_iou", "rotated_box_iou"),
    "text": (
        "MAX_REPETITION_CHARS",
        "OPEN_R1_TAGS",
        "THINK_ANSWER_TAGS",
        "cosine_length",
        "ngram_repetition",
        "repetition",
        "soft_overlong",
        "tag_count",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


__getattr__ = lazy_names(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
