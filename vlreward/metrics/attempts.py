"""What several answers to one question say: the best of k, the majority of k, and the spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["best_of", "majority_of", "spread"]


def best_of(values: Sequence[float], k: int) -> float:
    """Expected best of k answers drawn without replacement: pass@k where values are 0 or 1.

    Unbiased for the best of k new answers: sum_i v_(i) C(i-1, k-1) / C(n, k) over the values in
    ascending order, which for 0 and 1 is 1 - C(n - c, k) / C(n, k) with c right answers.

    Args:
        values: What each answer earned.
        k: 1 to the number of values.

    Raises:
        ValueError: If there are fewer values.

    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code, section 2.1.

    Example:
        >>> best_of([0, 0, 1, 0], 2)
        0.5
    """
    n = _check(values, k)
    ways = math.comb(n, k)
    # Exact integers first: for large n both binomials leave the range of a float.
    return math.fsum(
        value * (math.comb(i, k - 1) / ways)
        for i, value in enumerate(sorted(values))
        if i >= k - 1 and value
    )


def majority_of(votes: Sequence[Hashable | None], right: Hashable, k: int) -> float:
    """Share of majority votes of k answers that elect the right one: maj@k.

    Each run of k consecutive answers votes once, so every vote is one of k independent answers;
    a rest of fewer is left out. A tie counts as the share of a draw among the tied.

    Args:
        votes: What each answer says; None where it says nothing, which elects nothing.
        right: What a right answer says.
        k: 1 to the number of votes.

    Raises:
        ValueError: If there are fewer votes.

    Source: Wang et al. 2022, Self-Consistency Improves Chain of Thought Reasoning.

    Example:
        >>> majority_of(["a", "b", "a", "b"], "a", 3), majority_of(["a", "b"], "a", 2)
        (1.0, 0.5)
    """
    n = _check(votes, k)
    elected = 0.0
    for start in range(0, n - k + 1, k):
        counts = Counter(vote for vote in votes[start : start + k] if vote is not None)
        most = max(counts.values(), default=0)
        if most and counts[right] == most:
            elected += 1 / sum(count == most for count in counts.values())
    return elected / (n // k)


def spread(values: Sequence[float]) -> float:
    """Standard deviation of what the answers to one question earned; 0 if all are alike."""
    mean = math.fsum(values) / _check(values, 1)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _check(values: Sequence[object], k: int) -> int:
    if not 1 <= k <= len(values):
        raise ValueError(f"expected k from 1 to the number of answers {len(values)}, got {k}")
    return len(values)
