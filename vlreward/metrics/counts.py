"""How far a predicted count is from the gold count.

Counts are whole numbers of any size. A gold that is negative is a ValueError.
"""

from __future__ import annotations

import sys

__all__ = ["count_error", "count_exact", "count_soft", "count_within_one"]

_MAX = sys.float_info.max


def count_error(predicted: int, gold: int) -> float:
    """Absolute error |predicted - gold|; its mean is the MAE.

    Returns:
        A finite number >= 0; a difference beyond the range of a double is the largest double.

    Example:
        >>> count_error(7, 4)
        3.0
    """
    difference = _difference(predicted, gold)
    return float(difference) if difference < _MAX else _MAX


def count_exact(predicted: int, gold: int) -> float:
    """1.0 if the counts are equal, else 0.0."""
    return 1.0 if _difference(predicted, gold) == 0 else 0.0


def count_within_one(predicted: int, gold: int) -> float:
    """1.0 if the counts differ by at most one, else 0.0."""
    return 1.0 if _difference(predicted, gold) <= 1 else 0.0


def count_soft(predicted: int, gold: int) -> float:
    """One minus the relative error: max(0, 1 - |predicted - gold| / max(gold, 1)).

    It falls in a straight line from 1 at the gold to 0 at a count of zero and at twice the gold;
    a gold of 0 is treated as 1, so that only 0 itself earns anything.

    Returns:
        A number in [0, 1].

    Source: the regression reward of Video-R1 (Feng et al. 2025, arXiv 2503.21776), which takes 1
    minus the relative difference cut off at 1, with an epsilon of 1e-9 where this has max(gold, 1).

    Example:
        >>> count_soft(3, 4)
        0.75
        >>> count_soft(9, 4)
        0.0
    """
    difference = _difference(predicted, gold)
    scale = max(gold, 1)
    return 1.0 - difference / scale if difference < scale else 0.0


def _difference(predicted: int, gold: int) -> int:
    if gold < 0:
        raise ValueError(f"expected a gold count >= 0, got {gold!r}")
    return abs(predicted - gold)
