"""Two runs over the same samples: what was fixed, what was broken, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlreward.report.load import Run, Suite

__all__ = ["Pair", "compare_runs"]

_HOW_MADE = ("protocol", "method", "prompt_hash", "frame", "task_version", "primary", "data_sha256")


@dataclass(frozen=True, slots=True)
class Pair:
    """One suite of two runs, paired by sample id."""

    suite: str
    """Name of the suite."""
    a: str
    """Name of the first run."""
    b: str
    """Name of the second run."""
    n: int
    """Number of samples that both have."""
    fixed: int
    """Wrong in `a`, right in `b`."""
    broken: int
    """Right in `a`, wrong in `b`."""
    both: int
    """Right in both."""
    neither: int
    """Wrong in both."""
    unpaired: int
    """Samples that only one of the two has."""
    difference: float
    """Accuracy of `b` minus that of `a` over the paired samples: of means of the primary metric."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end."""
    method: str
    """How the interval was computed."""
    p: float
    """Two-sided exact McNemar test."""
    notes: list[str]
    """What makes the two hard to compare."""


def compare_runs(runs: Sequence[Run]) -> list[Pair]:
    """Each later run beside the first one, for every suite whose samples both have.

    Two subsets of one suite are compared on the samples that are in both.
    """
    pairs = []
    for other in runs[1:]:
        for suite in runs[0].suites.values():
            second = _partner(suite, other)
            if second is None or not suite.samples or not second.samples:
                continue
            pair = _compare(runs[0].name, suite, other.name, second)
            if pair is not None:
                pairs.append(pair)
    return pairs


def _partner(suite: Suite, run: Run) -> Suite | None:
    """The same suite of another run: by its name, else the only subset of what it is of."""
    if suite.name in run.suites:
        return run.suites[suite.name]
    subsets = [other for other in run.suites.values() if other.base == suite.base]
    return subsets[0] if len(subsets) == 1 else None


def _compare(a_name: str, a: Suite, b_name: str, b: Suite) -> Pair | None:
    from vlreward.metrics.intervals import bootstrap_difference, mcnemar_exact

    rows_a = {row.id: row for row in a.samples or []}
    rows_b = {row.id: row for row in b.samples or []}
    ids = [key for key in rows_a if key in rows_b]
    if not ids:
        return None
    outcomes = [(a.right(rows_a[key]), b.right(rows_b[key])) for key in ids]
    values_a = [rows_a[key].metrics[a.result.primary] for key in ids]
    values_b = [rows_b[key].metrics[b.result.primary] for key in ids]
    fixed, broken = outcomes.count((False, True)), outcomes.count((True, False))
    images = [rows_a[key].image for key in ids]
    groups = images if None not in images and len(set(images)) > 1 else None
    difference = (math.fsum(values_b) - math.fsum(values_a)) / len(ids)
    low = high = difference
    method = "no interval: one sample"
    if len(ids) > 1:
        interval = bootstrap_difference(values_b, values_a, groups)
        low, high, method = interval.low, interval.high, interval.method
    notes = [
        f"{key} differs: {values[0]} and {values[1]}"
        for key in _HOW_MADE
        if len(set(values := [str(_value(s, key)) for s in (a, b)])) > 1
    ]
    if a.name != b.name:
        notes.append(f"different subsets, {a.name} and {b.name}: compared on what both have")
    other_gold = sum(rows_a[key].gold != rows_b[key].gold for key in ids)
    if other_gold:
        notes.append(f"the golds of {other_gold} samples differ: not the same data")
    return Pair(
        suite=a.name, a=a_name, b=b_name, n=len(ids), fixed=fixed, broken=broken,
        both=outcomes.count((True, True)), neither=outcomes.count((False, False)),
        unpaired=len(rows_a) + len(rows_b) - 2 * len(ids),
        difference=difference, low=low, high=high, method=method,
        p=mcnemar_exact(broken, fixed), notes=notes,
    )  # fmt: skip


def _value(suite: Suite, key: str) -> object:
    return getattr(suite.result, key, None)
