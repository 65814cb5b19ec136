"""Pure metric functions: validated values in, a number out, no input or output.

Importing this package loads none of its modules; each public name loads its own on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.metrics.batched import (
        boxes_ciou as boxes_ciou,
    )
    from vlreward.metrics.batched import (
        boxes_diou as boxes_diou,
    )
    from vlreward.metrics.batched import (
        boxes_giou as boxes_giou,
    )
    from vlreward.metrics.batched import (
        boxes_iou as boxes_iou,
    )
    from vlreward.metrics.batched import (
        pairwise_iou as pairwise_iou,
    )
    from vlreward.metrics.boxes import (
        box_ciou as box_ciou,
    )
    from vlreward.metrics.boxes import (
        box_diou as box_diou,
    )
    from vlreward.metrics.boxes import (
        box_giou as box_giou,
    )
    from vlreward.metrics.boxes import (
        box_iou as box_iou,
    )
    from vlreward.metrics.compat import (
        MISSING_BOX as MISSING_BOX,
    )
    from vlreward.metrics.compat import (
        pixel_iou as pixel_iou,
    )
    from vlreward.metrics.counting import (
        count_error as count_error,
    )
    from vlreward.metrics.counting import (
        count_exact as count_exact,
    )
    from vlreward.metrics.counting import (
        count_soft as count_soft,
    )
    from vlreward.metrics.counting import (
        count_within_one as count_within_one,
    )
    from vlreward.metrics.intervals import (
        Interval as Interval,
    )
    from vlreward.metrics.intervals import (
        bootstrap_difference as bootstrap_difference,
    )
    from vlreward.metrics.intervals import (
        bootstrap_mean as bootstrap_mean,
    )
    from vlreward.metrics.intervals import (
        mcnemar_exact as mcnemar_exact,
    )
    from vlreward.metrics.intervals import (
        wilson_interval as wilson_interval,
    )
    from vlreward.metrics.polygons import (
        RotatedBox as RotatedBox,
    )
    from vlreward.metrics.polygons import (
        polygon_iou as polygon_iou,
    )
    from vlreward.metrics.polygons import (
        rotated_box_iou as rotated_box_iou,
    )
    from vlreward.metrics.text import (
        MAX_REPETITION_CHARS as MAX_REPETITION_CHARS,
    )
    from vlreward.metrics.text import (
        OPEN_R1_TAGS as OPEN_R1_TAGS,
    )
    from vlreward.metrics.text import (
        THINK_ANSWER_TAGS as THINK_ANSWER_TAGS,
    )
    from vlreward.metrics.text import (
        cosine_length as cosine_length,
    )
    from vlreward.metrics.text import (
        ngram_repetition as ngram_repetition,
    )
    from vlreward.metrics.text import (
        repetition as repetition,
    )
    from vlreward.metrics.text import (
        soft_overlong as soft_overlong,
    )
    from vlreward.metrics.text import (
        tag_count as tag_count,
    )

_MODULES = {
    "batched": (
        "boxes_ciou",
        "boxes_diou",
        "boxes_giou",
        "boxes_iou",
        "pairwise_iou",
    ),
    "boxes": (
        "box_ciou",
        "box_diou",
        "box_giou",
        "box_iou",
    ),
    "counting": (
        "count_error",
        "count_exact",
        "count_soft",
        "count_within_one",
    ),
    "intervals": (
        "Interval",
        "bootstrap_difference",
        "bootstrap_mean",
        "mcnemar_exact",
        "wilson_interval",
    ),
    "polygons": (
        "RotatedBox",
        "polygon_iou",
        "rotated_box_iou",
    ),
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
    "compat": (
        "MISSING_BOX",
        "pixel_iou",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)
__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
