"""One-to-one matching of the greatest total weight."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["one_to_one"]


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
