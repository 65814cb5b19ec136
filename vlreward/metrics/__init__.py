"""Pure metric functions: validated values in, a number out, no input or output.

Importing this package loads none of its modules; each public name loads its own on first use.
"""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.metrics.attempts import *
    from vlreward.metrics.batched import *
    from vlreward.metrics.boxes import *
    from vlreward.metrics.coco import *
    from vlreward.metrics.compat import *
    from vlreward.metrics.counts import *
    from vlreward.metrics.intervals import *
    from vlreward.metrics.labelled import *
    from vlreward.metrics.points import *
    from vlreward.metrics.polygons import *
    from vlreward.metrics.text import *

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "attempts": "best_of majority_of spread",
        "batched": "boxes_ciou boxes_diou boxes_giou boxes_iou pairwise_iou",
        "boxes": "box_ciou box_diou box_giou box_iou",
        "coco": "COCO_IOUS CocoBox coco_ap",
        "compat": "MISSING_BOX pixel_iou",
        "counts": "count_error count_exact count_soft count_within_one",
        "intervals": "Interval bootstrap_difference bootstrap_mean mcnemar_exact wilson_interval",
        "labelled": "F1_THRESHOLDS Labelled detection_f1 detection_mean_f1 detection_precision "
        "detection_recall one_to_one",
        "points": "Circle Region point_closeness point_inside",
        "polygons": "Polygon RotatedBox polygon_iou rotated_box_iou",
        "text": "MAX_REPETITION_CHARS OPEN_R1_TAGS THINK_ANSWER_TAGS cosine_length "
        "ngram_repetition repetition soft_overlong tag_count",
    },
)
