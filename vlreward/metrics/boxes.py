"""Overlap of two axis-aligned boxes in closed form: IoU, GIoU, DIoU and CIoU.

All four take two validated `Box` values in the same frame, are symmetric and do not change when
both boxes are moved or scaled together. They are 1 for equal boxes and finite for every pair of
boxes: where products would overflow or underflow (boxes 1e200 or 1e-200 wide), the corners are
scaled to exact integers first. The error is a few units in the last place of 1.
"""

from __future__ import annotations

import math

from vlreward.geometry import Box

__all__ = ["box_ciou", "box_diou", "box_giou", "box_iou"]

_Corners = tuple[float, float, float, float]

# Within these bounds no area, square or sum below leaves the normal range of a double.
_MIN_AREA, _MAX_AREA = 1e-290, 1e290
_MIN_SIDE, _MAX_SIDE = 1e-140, 1e140
_SCALE = 1 << 1074  # every double is a whole multiple of 2**-1074
_4_PI2 = 4 / math.pi**2


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union: |A n B| / |A u B|.

    Args:
        a: Corners (x1, y1, x2, y2).
        b: The other box, in the same frame.

    Returns:
        A number in [0, 1]: 0 for boxes that are apart or only touch, 1 for equal boxes.

    Example:
        >>> box_iou(Box(0, 0, 10, 10), Box(5, 0, 15, 10))
        0.3333333333333333
    """
    # The hot path of a reward: conditional expressions instead of min and max, bounds last.
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
    try:
        inter = 1.0 * (right - left) * (bottom - top)  # as a float: integers compare slowly
        union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
        if inter > _MIN_AREA and union < _MAX_AREA:
            return inter / union
    except OverflowError:  # an area of large integers does not fit a float
        pass
    parts = _measure(_exact(a), _exact(b))
    return parts[0] / parts[1]


def box_giou(a: Box, b: Box) -> float:
    """Generalized IoU: IoU - |C - (A u B)| / |C|, where C is the smallest box around both.

    Args:
        a: Corners (x1, y1, x2, y2).
        b: The other box, in the same frame.

    Returns:
        A number in [-1, 1], at most the IoU; it falls towards -1 as small boxes move apart.

    Source: Rezatofighi et al. 2019, Generalized Intersection over Union, arXiv 1902.09630.

    Example:
        >>> box_giou(Box(0, 0, 10, 10), Box(30, 0, 40, 10))
        -0.5
    """
    p, q = _corners(a, b)
    inter, union, hull_width, hull_height = _measure(p, q)
    hull = hull_width * hull_height
    # Rounding may leave the hull a hair smaller than the union that it contains.
    return inter / union - (hull - union) / hull if hull > union else inter / union


def box_diou(a: Box, b: Box) -> float:
    """Distance IoU: IoU - d^2 / c^2.

    d is the distance between the centres and c the diagonal of the smallest box around both.

    Args:
        a: Corners (x1, y1, x2, y2).
        b: The other box, in the same frame.

    Returns:
        A number in [-1, 1], at most the IoU.

    Source: Zheng et al. 2020, Distance-IoU Loss, arXiv 1911.08287, equation 7.

    Example:
        >>> box_diou(Box(0, 0, 10, 10), Box(0, 0, 20, 20))
        0.1875
    """
    p, q = _corners(a, b)
    inter, union, hull_width, hull_height = _measure(p, q)
    return inter / union - _distance(p, q, hull_width, hull_height)


def box_ciou(a: Box, b: Box) -> float:
    """Complete IoU: DIoU - alpha * v, which also compares the aspect ratios.

    v = 4 / pi^2 * (atan(w_a / h_a) - atan(w_b / h_b))^2 and alpha = v / (1 - IoU + v), without
    the later variant that sets alpha to 0 where IoU < 0.5, and without an epsilon: where v is 0,
    CIoU is DIoU.

    Args:
        a: Corners (x1, y1, x2, y2).
        b: The other box, in the same frame.

    Returns:
        A number in [-1.5, 1], at most the DIoU.

    Source: Zheng et al. 2020, Distance-IoU Loss, arXiv 1911.08287, equations 8 to 11.

    Example:
        >>> round(box_ciou(Box(0, 0, 10, 10), Box(0, 0, 20, 10)), 6)
        0.446752
    """
    p, q = _corners(a, b)
    inter, union, hull_width, hull_height = _measure(p, q)
    iou = inter / union
    diou = iou - _distance(p, q, hull_width, hull_height)
    v = (_angle(p) - _angle(q)) ** 2 * _4_PI2
    return diou - v * v / (1 - iou + v) if v else diou


def _corners(a: Box, b: Box) -> tuple[_Corners, _Corners]:
    """Corners of both, as exact integers where floats would overflow or underflow."""
    p, q = (a.x1, a.y1, a.x2, a.y2), (b.x1, b.y1, b.x2, b.y2)
    smallest = min(p[2] - p[0], p[3] - p[1], q[2] - q[0], q[3] - q[1])
    largest = max(p[2], p[3], q[2], q[3]) - min(p[0], p[1], q[0], q[1])
    if smallest > _MIN_SIDE and largest < _MAX_SIDE:
        return p, q
    return _exact(a), _exact(b)


def _exact(box: Box) -> _Corners:
    """The corners times 2**1074, which are whole numbers; every ratio here stays the same."""
    ratios = [c.as_integer_ratio() for c in box]
    x1, y1, x2, y2 = (n * (_SCALE // d) for n, d in ratios)
    return x1, y1, x2, y2


def _measure(p: _Corners, q: _Corners) -> tuple[float, float, float, float]:
    """Areas of the intersection and the union, width and height of the smallest box around."""
    px1, py1, px2, py2 = p
    qx1, qy1, qx2, qy2 = q
    width = (px2 if px2 < qx2 else qx2) - (px1 if px1 > qx1 else qx1)
    height = (py2 if py2 < qy2 else qy2) - (py1 if py1 > qy1 else qy1)
    inter = width * height if width > 0 and height > 0 else 0
    union = (px2 - px1) * (py2 - py1) + (qx2 - qx1) * (qy2 - qy1) - inter
    hull_width = (px2 if px2 > qx2 else qx2) - (px1 if px1 < qx1 else qx1)
    hull_height = (py2 if py2 > qy2 else qy2) - (py1 if py1 < qy1 else qy1)
    return inter, union, hull_width, hull_height


def _distance(p: _Corners, q: _Corners, width: float, height: float) -> float:
    """Squared distance of the centres over the squared diagonal of the hull."""
    # Differences first, as sums far from the origin would cancel. Twice the distance, hence 4.
    dx = (p[0] - q[0]) + (p[2] - q[2])
    dy = (p[1] - q[1]) + (p[3] - q[3])
    return (dx * dx + dy * dy) / (4 * (width * width + height * height))


def _angle(p: _Corners) -> float:
    """atan(width / height), without a quotient that could overflow."""
    width, height = p[2] - p[0], p[3] - p[1]
    if width <= height:
        return math.atan(width / height)
    return math.pi / 2 - math.atan(height / width)
