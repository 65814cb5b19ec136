"""Pure metric functions: validated values in, a number out, no input or output.

Importing this package loads none of its modules; each public name loads its own on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.metrics.batched import boxes_ciou, boxes_diou, boxes_giou, boxes_iou, pairwise_iou
    from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou
    from vlreward.metrics.compat import MISSING_BOX, pixel_iou
    from vlreward.metrics.counting import count_error, count_exact, count_soft, count_within_one
    from vlreward.metrics.intervals import (
        Interval,
        bootstrap_difference,
        bootstrap_mean,
        mcnemar_exact,
        wilson_interval,
    )
    from vlreward.metrics.polygons import RotatedBox, polygon_iou, rotated_box_iou
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
    "MAX_REPETITION_CHARS",
    "MISSING_BOX",
    "OPEN_R1_TAGS",
    "THINK_ANSWER_TAGS",
    "Interval",
    "RotatedBox",
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
    "cosine_length",
    "count_error",
    "count_exact",
    "count_soft",
    "count_within_one",
    "mcnemar_exact",
    "ngram_repetition",
    "pairwise_iou",
    "pixel_iou",
    "polygon_iou",
    "repetition",
    "rotated_box_iou",
    "soft_overlong",
    "tag_count",
    "wilson_interval",
]

_MODULES = {
    "batched": ("boxes_ciou", "boxes_diou", "boxes_giou", "boxes_iou", "pairwise_iou"),
    "boxes": ("box_ciou", "box_diou", "box_giou", "box_iou"),
    "compat": ("MISSING_BOX", "pixel_iou"),
    "counting": ("count_error", "count_exact", "count_soft", "count_within_one"),
    "intervals": (
        "Interval",
        "bootstrap_difference",
        "bootstrap_mean",
        "mcnemar_exact",
        "wilson_interval",
    ),
    "polygons": ("RotatedBox", "polygon_iou", "rotated_box_iou"),
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
