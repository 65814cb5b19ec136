"""The box arithmetic of earlier code, for the protocols that reproduce its published numbers.

Nothing else uses it: `box_iou` is the metric. Boxes are plain (x1, y1, x2, y2) because earlier
code also scored boxes without area, such as the one that stands for a missing answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["MISSING_BOX", "pixel_iou"]

MISSING_BOX = (0, 0, 0, 0)
"""What earlier code scores where it finds no box."""


def pixel_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU with the -1/+1 pixel arithmetic of VLM-R1.

    The right and bottom edges of both boxes are reduced by 1 before they are intersected; there
    is an intersection only if its edges then increase strictly; its sides get the 1 back. The
    union is taken from the plain, signed areas (x2 - x1) * (y2 - y1), so an inverted box may push
    the result out of [0, 1].

    Args:
        a: Four numbers (x1, y1, x2, y2), which need not be a valid box.
        b: The other box, in the same frame.

    Returns:
        A finite number. Where the original rule has none, this returns 0.0: a union of zero (two
        boxes without area raise ZeroDivisionError there), integers too large for a double
        (OverflowError there), and a result that is not finite.

    Raises:
        ValueError: If a box does not have four numbers.

    Source: the `iou` of om-ai-lab/VLM-R1, written anew from its rule.

    Example:
        >>> pixel_iou((0, 0, 10, 10), (5, 0, 15, 10))
        0.3333333333333333
        >>> pixel_iou((0, 0, 10, 10), (9, 0, 19, 10))  # one column is no intersection here
        0.0
        >>> pixel_iou((0, 0, 0, 0), (7, 7, 7, 7))
        0.0
    """
    ax1, ay1, ax2, ay2 = a
    bx1, by1, bx2, by2 = b
    left, right = max(ax1, bx1), min(ax2 - 1, bx2 - 1)
    top, bottom = max(ay1, by1), min(ay2 - 1, by2 - 1)
    try:
        inter = 0.0
        if left < right and top < bottom:
            inter = (right - left + 1) * (bottom - top + 1)
        union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
        iou = inter / union
    except (ZeroDivisionError, OverflowError):
        return 0.0
    return iou if math.isfinite(iou) else 0.0
