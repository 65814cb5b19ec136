"""Confidence intervals and paired tests for means of scores.

Several rows often share an image, so their scores are not independent: the bootstraps resample
whole groups (images) instead of rows.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    _Floats = NDArray[np.float64]

__all__ = [
    "Interval",
    "bootstrap_difference",
    "bootstrap_mean",
    "mcnemar_exact",
    "wilson_interval",
]

_CHUNK = 1 << 20  # group draws in memory at once


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    """Lower end."""
    high: float
    """Upper end, at least `low`."""
    level: float
    """Nominal coverage, e.g. 0.95."""
    method: str
    """How it was computed, e.g. `wilson`."""


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion, without continuity correction.

    centre = (p + z^2 / 2n) / (1 + z^2 / n), half width =
    z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2), with p = successes / n.

    Args:
        successes: Number of successes, 0 to `n`.
        n: Number of independent trials, positive.
        level: Nominal coverage, between 0 and 1.

    Returns:
        An interval within [0, 1] that holds p.

    Raises:
        ValueError: If `n` is not positive, `successes` not within [0, n], or `level` not
            between 0 and 1.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference.

    Example:
        >>> interval = wilson_interval(447, 500)
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.8639, 0.918)
    """
    from statistics import NormalDist

    _check_level(level)
    if n <= 0:
        raise ValueError(f"expected at least one trial, got n={n!r}")
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n={n!r}, got successes={successes!r}")
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # Exact at the ends, where centre and half width are equal up to rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high, level, "wilson")


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a mean, resampling whole groups with replacement.

    Each resample draws as many groups as there are and takes the mean over all their rows.

    Args:
        values: Shape (n,), finite.
        groups: Which group each value belongs to, e.g. its image; None makes each row a group.
        level: Nominal coverage, between 0 and 1.
        resamples: Number of resamples, positive.
        seed: Seed of numpy's PCG64; the same input and seed give the same interval.

    Returns:
        An interval whose method is `bootstrap` or `cluster bootstrap`.

    Raises:
        ValueError: If there are no values, one is not finite, `groups` has another length, or
            there are fewer than two groups, which say nothing about the spread.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3; clusters
    as in Field and Welsh 2007, Bootstrapping clustered data.

    Example:
        >>> interval = bootstrap_mean([1, 1, 0, 1], groups=["a", "a", "b", "c"])
        >>> interval.low, interval.high, interval.method
        (0.0, 1.0, 'cluster bootstrap')
    """
    import numpy as np

    _check_level(level)
    if resamples <= 0:
        raise ValueError(f"expected at least one resample, got resamples={resamples!r}")
    array = _finite("values", values)
    sums, counts = _group_totals(array, groups)
    if len(sums) < 2:
        raise ValueError(
            f"expected at least two groups to resample, got {len(sums)} of {len(array)} values"
        )
    rng = np.random.default_rng(seed)
    means = np.concatenate(list(_resampled_means(sums, counts, resamples, rng)))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    method = "bootstrap" if groups is None else "cluster bootstrap"
    return Interval(float(low), float(high), level, method)


def bootstrap_difference(
    a: ArrayLike,
    b: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of mean(a) - mean(b) for paired values.

    Row i of both is the same sample, so each resample draws rows (or groups) of both together.

    Args:
        a: Shape (n,), finite: the scores of one system.
        b: Shape (n,), finite: the scores of the other on the same samples, in the same order.
        groups: Which group each row belongs to, e.g. its image; None makes each row a group.
        level: Nominal coverage, between 0 and 1.
        resamples: Number of resamples, positive.
        seed: Seed of numpy's PCG64.

    Returns:
        An interval whose method is `paired bootstrap` or `paired cluster bootstrap`; one that
        leaves out 0 says that the systems differ.

    Raises:
        ValueError: As `bootstrap_mean`, and if the lengths differ.

    Example:
        >>> bootstrap_difference([1, 1, 1, 0], [0, 0, 0, -1]).low
        1.0
    """
    one, other = _finite("a", a), _finite("b", b)
    if one.shape != other.shape:
        raise ValueError(f"expected a and b of one length, got {len(one)} and {len(other)}")
    interval = bootstrap_mean(one - other, groups, level=level, resamples=resamples, seed=seed)
    return Interval(interval.low, interval.high, level, f"paired {interval.method}")


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test: p-value that two systems are equally often right.

    p = min(1, 2 P(X <= min(only_a, only_b))) with X ~ Binomial(only_a + only_b, 1/2).

    Args:
        only_a: Number of samples that only the first system has right.
        only_b: Number of samples that only the second system has right.

    Returns:
        A p-value in [0, 1]; 1.0 if the systems never disagree. It takes the samples as
        independent; see `bootstrap_difference` for clustered ones.

    Raises:
        ValueError: If a count is negative.

    Source: McNemar 1947, with the binomial distribution in place of chi-squared.

    Example:
        >>> mcnemar_exact(1, 9)
        0.021484375
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"expected counts >= 0, got only_a={only_a!r}, only_b={only_b!r}")
    n, k = only_a + only_b, min(only_a, only_b)
    # Terms fall by the factor i / (n - i + 1) < 1 from i = k down: sum until they vanish.
    total = term = 1.0
    for i in range(k, 0, -1):
        term *= i / (n - i + 1)
        total += term
        if term < 1e-17 * total:
            break
    return min(1.0, 2 * (math.comb(n, k) / (1 << n)) * total)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, e.g. 0.95, got {level!r}")


def _finite(name: str, values: ArrayLike) -> _Floats:
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"expected {name} of shape (n,) with n > 0, got shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"expected finite {name}, got {float(array[row])!r} in row {row}")
    return array


def _group_totals(values: _Floats, groups: Sequence[Hashable] | None) -> tuple[_Floats, _Floats]:
    """Sum and number of the values of each group, groups in order of appearance."""
    import numpy as np

    if groups is None:
        return values, np.ones_like(values)
    if len(groups) != len(values):
        raise ValueError(f"expected one group per value, got {len(groups)} for {len(values)}")
    numbers: dict[Hashable, int] = {}
    index = [numbers.setdefault(group, len(numbers)) for group in groups]
    sums: Any = np.bincount(index, weights=values)
    return sums, np.bincount(index).astype(np.float64)


def _resampled_means(
    sums: _Floats, counts: _Floats, resamples: int, rng: np.random.Generator
) -> Iterator[_Floats]:
    import numpy as np

    size = len(sums)
    rows = max(1, _CHUNK // size)
    equal = bool((counts == counts[0]).all())
    for start in range(0, resamples, rows):
        drawn: Any = rng.integers(0, size, size=(min(rows, resamples - start), size), dtype=np.intp)
        total = sums[drawn].sum(axis=1)
        yield total / (counts[0] * size if equal else counts[drawn].sum(axis=1))
