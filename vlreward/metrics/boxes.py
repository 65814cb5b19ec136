"""Overlap of two axis-aligned boxes in closed form: IoU, GIoU, DIoU and CIoU.

All four take two `Box` values, corners (x1, y1, x2, y2) in the same frame, are symmetric and do
not change when both boxes are moved or scaled together. They are 1 for equal boxes, finite for
every pair, and their error is a few units in the last place of 1.
"""

from __future__ import annotations

import math

from vlreward.geometry import Box

__all__ = ["box_ciou", "box_diou", "box_giou", "box_iou"]

_4_PI2 = 4 / math.pi**2


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union: |A n B| / |A u B|.

    Returns:
        A number in [0, 1]: 0 for boxes that are apart or only touch, 1 for equal boxes.

    Example:
        >>> box_iou(Box(0, 0, 10, 10), Box(5, 0, 15, 10))
        0.3333333333333333
    """
    # The hot path of a reward: conditional expressions instead of min and max.
    ax1, ay1, ax2, ay2 = a
    bx1, by1, bx2, by2 = b
    left = ax1 if ax1 > bx1 else bx1
    right = ax2 if ax2 < bx2 else bx2
    if right <= left:
        return 0.0
    top = ay1 if ay1 > by1 else by1
    bottom = ay2 if ay2 < by2 else by2
    if bottom <= top:
        return 0.0
    inter = (right - left) * (bottom - top)
    return inter / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter)


def box_giou(a: Box, b: Box) -> float:
    """Generalized IoU: IoU - |C - (A u B)| / |C|, where C is the smallest box around both.

    Returns:
        A number in [-1, 1], at most the IoU; it falls towards -1 as small boxes move apart.

    Source: Rezatofighi et al. 2019, Generalized Intersection over Union, arXiv 1902.09630.

    Example:
        >>> box_giou(Box(0, 0, 10, 10), Box(30, 0, 40, 10))
        -0.5
    """
    inter, union, hull_width, hull_height = _measure(a, b)
    hull = hull_width * hull_height
    # Rounding may leave the hull a hair smaller than the union that it contains.
    return inter / union - (hull - union) / hull if hull > union else inter / union


def box_diou(a: Box, b: Box) -> float:
    """Distance IoU: IoU - d^2 / c^2.

    d is the distance between the centres and c the diagonal of the smallest box around both.

    Returns:
        A number in [-1, 1], at most the IoU.

    Source: Zheng et al. 2020, Distance-IoU Loss, arXiv 1911.08287, equation 7.

    Example:
        >>> box_diou(Box(0, 0, 10, 10), Box(0, 0, 20, 20))
        0.1875
    """
    inter, union, hull_width, hull_height = _measure(a, b)
    return inter / union - _distance(a, b, hull_width, hull_height)


def box_ciou(a: Box, b: Box) -> float:
    """Complete IoU: DIoU - alpha * v, which also compares the aspect ratios.

    v = 4 / pi^2 * (atan(w_a / h_a) - atan(w_b / h_b))^2 and alpha = v / (1 - IoU + v), without
    the later variant that sets alpha to 0 where IoU < 0.5, and without an epsilon: where v is 0,
    CIoU is DIoU.

    Returns:
        A number in [-1.5, 1], at most the DIoU.

    Source: Zheng et al. 2020, Distance-IoU Loss, arXiv 1911.08287, equations 8 to 11.

    Example:
        >>> round(box_ciou(Box(0, 0, 10, 10), Box(0, 0, 20, 10)), 6)
        0.446752
    """
    inter, union, hull_width, hull_height = _measure(a, b)
    iou = inter / union
    diou = iou - _distance(a, b, hull_width, hull_height)
    v = (_angle(a) - _angle(b)) ** 2 * _4_PI2
    return diou - v * v / (1 - iou + v) if v else diou


def _measure(a: Box, b: Box) -> tuple[float, float, float, float]:
    """Areas of the intersection and the union, width and height of the smallest box around."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    inter = max(width, 0) * max(height, 0)
    hull_width = max(a.x2, b.x2) - min(a.x1, b.x1)
    hull_height = max(a.y2, b.y2) - min(a.y1, b.y1)
    return inter, a.area + b.area - inter, hull_width, hull_height


def _distance(a: Box, b: Box, width: float, height: float) -> float:
    """Squared distance of the centres over the squared diagonal of the hull."""
    # Differences first, as sums far from the origin would cancel. Twice the distance, hence 4.
    dx = (a.x1 - b.x1) + (a.x2 - b.x2)
    dy = (a.y1 - b.y1) + (a.y2 - b.y2)
    return (dx * dx + dy * dy) / (4 * (width * width + height * height))


def _angle(box: Box) -> float:
    return math.atan2(box.width, box.height)
