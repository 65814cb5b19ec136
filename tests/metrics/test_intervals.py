from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlreward.metrics import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    mcnemar_exact,
    wilson_interval,
)

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "cases" / "metrics" / "intervals.json").read_text("utf-8")
)["cases"]


def _cases(function: str) -> list[dict[str, Any]]:
    found = [case for case in CASES if case["function"] == function]
    assert found
    return found


@pytest.mark.parametrize("case", _cases("wilson"), ids=lambda c: f"{c['successes']}/{c['n']}")
def test_wilson_equals_statsmodels(case: dict[str, Any]) -> None:
    interval = wilson_interval(case["successes"], case["n"], level=case["level"])
    assert interval.low == pytest.approx(case["low"], abs=1e-12)
    assert interval.high == pytest.approx(case["high"], abs=1e-12)
    assert (interval.level, interval.method) == (case["level"], "wilson")


def test_wilson_is_exact_at_the_ends() -> None:
    for n in range(1, 200):
        assert wilson_interval(0, n).low == 0.0
        assert wilson_interval(n, n).high == 1.0


def test_wilson_covers_as_often_as_it_says() -> None:
    """Exact coverage, summed over the binomial distribution, averaged over proportions."""
    n = 100
    inside = [wilson_interval(k, n) for k in range(n + 1)]
    coverage = []
    for p in np.linspace(0.02, 0.98, 97):
        mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
        coverage.append(sum(m for m, i in zip(mass, inside, strict=True) if i.low <= p <= i.high))
    assert 0.945 < np.mean(coverage) < 0.96
    assert min(coverage) > 0.90


@pytest.mark.parametrize("case", _cases("mcnemar"), ids=lambda c: f"{c['only_a']}-{c['only_b']}")
def test_mcnemar_equals_statsmodels(case: dict[str, Any]) -> None:
    p = mcnemar_exact(case["only_a"], case["only_b"])
    assert p == pytest.approx(case["p"], rel=1e-9)
    assert p == mcnemar_exact(case["only_b"], case["only_a"])


def test_mcnemar_equals_the_sum_over_all_splits() -> None:
    for n in range(1, 30):
        for k in range(n + 1):
            tail = sum(math.comb(n, i) for i in range(min(k, n - k) + 1)) / 2**n
            assert mcnemar_exact(k, n - k) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)


@pytest.mark.parametrize("case", _cases("bootstrap"), ids=lambda c: f"n={len(c['values'])}")
def test_bootstrap_equals_scipy(case: dict[str, Any]) -> None:
    interval = bootstrap_mean(case["values"], resamples=50_000)
    spread = case["high"] - case["low"]
    assert interval.low == pytest.approx(case["low"], abs=0.06 * spread)
    assert interval.high == pytest.approx(case["high"], abs=0.06 * spread)
    assert interval.method == "bootstrap"


def test_clusters_cover_the_mean_where_rows_do_not() -> None:
    """Five rows per image that mostly agree: rows as units promise far too narrow an interval."""
    draw = np.random.default_rng(0)
    images, rows, truth, trials = 60, 5, 0.7, 150
    groups = [f"image {i}" for i in range(images) for _ in range(rows)]
    hits = {"rows": 0, "images": 0}
    for trial in range(trials):
        likely = draw.random(images) < truth
        flip = draw.random((images, rows)) < 0.05
        values = (likely[:, None] ^ flip).astype(float).ravel()
        mean = truth * 0.95 + (1 - truth) * 0.05
        for name, by in (("rows", None), ("images", groups)):
            interval = bootstrap_mean(values, by, resamples=400, seed=trial)
            hits[name] += interval.low <= mean <= interval.high
    assert hits["images"] / trials > 0.90
    assert hits["rows"] / trials < 0.75


def test_groups_of_one_row_change_nothing_but_the_name() -> None:
    values = np.random.default_rng(3).random(50)
    plain, clustered = bootstrap_mean(values), bootstrap_mean(values, range(50))
    assert (plain.low, plain.high) == (clustered.low, clustered.high)
    assert (plain.method, clustered.method) == ("bootstrap", "cluster bootstrap")


def test_a_mean_of_unequal_groups_weighs_rows_not_groups() -> None:
    """Nine rows of 1 in one group, one row of 0 in the other: means 1, 0.9, 0 only."""
    values, groups = [1] * 9 + [0], ["a"] * 9 + ["b"]
    middle, all_of_it = (bootstrap_mean(values, groups, level=level) for level in (0.4, 0.95))
    assert (middle.low, middle.high) == (0.9, 0.9)
    assert (all_of_it.low, all_of_it.high) == (0.0, 1.0)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(3).random(50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_many_rows_are_drawn_in_pieces() -> None:
    """More draws than fit one piece; the interval is that of the normal approximation."""
    values = np.random.default_rng(5).random(3000)
    interval = bootstrap_mean(values, resamples=1000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    draw = np.random.default_rng(1)
    hard = draw.random(400)
    a, b = hard + 0.05 + 0.01 * draw.random(400), hard
    interval = bootstrap_difference(a, b)
    assert 0.05 < interval.low < interval.high < 0.06
    assert interval.method == "paired bootstrap"
    reverse = bootstrap_difference(b, a, groups=range(400))
    assert reverse.low == pytest.approx(-interval.high, abs=1e-3)
    assert reverse.method == "paired cluster bootstrap"
    assert bootstrap_difference(a, a) == Interval(0.0, 0.0, 0.95, "paired bootstrap")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_interval(0, 0), "at least one trial, got n=0"),
        (lambda: wilson_interval(5, 4), "0 <= successes <= n=4, got successes=5"),
        (lambda: wilson_interval(-1, 4), "got successes=-1"),
        (lambda: wilson_interval(1, 4, level=95), "level between 0 and 1, e.g. 0.95, got 95"),
        (lambda: bootstrap_mean([]), "n > 0, got shape (0,)"),
        (lambda: bootstrap_mean([[1, 2]]), "n > 0, got shape (1, 2)"),
        (lambda: bootstrap_mean([1, math.nan]), "finite values, got nan in row 1"),
        (lambda: bootstrap_mean([1, 2], ["a"]), "one group per value, got 1 for 2"),
        (lambda: bootstrap_mean([1, 2], ["a", "a"]), "two groups to resample, got 1 of 2 values"),
        (lambda: bootstrap_mean([1]), "two groups to resample, got 1 of 1 values"),
        (lambda: bootstrap_mean([1, 2], level=0), "level between 0 and 1"),
        (lambda: bootstrap_mean([1, 2], resamples=0), "one resample, got resamples=0"),
        (lambda: bootstrap_difference([], []), "a of shape (n,) with n > 0"),
        (lambda: bootstrap_difference([1, 2], [1]), "one length, got 2 and 1"),
        (lambda: mcnemar_exact(-1, 2), "counts >= 0, got only_a=-1, only_b=2"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
