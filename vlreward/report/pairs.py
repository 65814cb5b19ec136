"""Two runs over the same samples: what was fixed, what was broken, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from vlreward.bench.attempts import grouped
from vlreward.bench.run_files import SampleRow
from vlreward.report.load import Run, SuiteRun

__all__ = ["Pair", "by_question", "compare_runs", "mostly_right"]

_HOW_MADE = ("protocol", "method", "prompt_hash", "frame", "task_version", "primary", "data_sha256")


@dataclass(frozen=True, slots=True)
class Pair:
    """One suite of two runs, paired by sample id."""

    suite: str
    """Name of the suite in the first run."""
    suite_b: str
    """Name in the second; another where one of the two is a subset."""
    a: str
    """Name of the first run."""
    b: str
    """Name of the second run."""
    n: int
    """Number of samples that both have; each counts once, however many answers it has."""
    fixed: int
    """Wrong in `a`, right in `b`; with several answers by the majority of them."""
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

    Subsets of one suite are compared over the samples that both have.
    """
    pairs = []
    for other in runs[1:]:
        for suite in runs[0].suites.values():
            second = _partner(suite, other)
            if second is not None:
                pairs.append(_compare(runs[0].name, suite, other.name, second))
    return pairs


def _partner(suite: SuiteRun, other: Run) -> SuiteRun | None:
    """The suite of that name, else the subset of it with the most of its samples."""
    mine = {row.id for row in suite.samples or ()}
    shared = {
        found.name: len(mine.intersection(row.id for row in found.samples or ()))
        for found in other.suites.values()
        if found.name == suite.name or found.base == suite.base
    }
    if shared.get(suite.name):
        return other.suites[suite.name]
    best = max(shared, key=lambda name: shared[name], default=None)
    return None if best is None or not shared[best] else other.suites[best]


def by_question(suite: SuiteRun) -> dict[str, list[SampleRow]]:
    """The answers to each question, by its id."""
    return grouped(suite.samples or (), lambda row: row.id)


def _compare(a_name: str, a: SuiteRun, b_name: str, b: SuiteRun) -> Pair:
    from vlreward.metrics.intervals import bootstrap_difference, mcnemar_exact

    rows_a, rows_b = by_question(a), by_question(b)
    ids = [key for key in rows_a if key in rows_b]
    outcomes = [(mostly_right(a, rows_a[key]), mostly_right(b, rows_b[key])) for key in ids]
    values_a = [_mean(a, rows_a[key]) for key in ids]
    values_b = [_mean(b, rows_b[key]) for key in ids]
    fixed, broken = outcomes.count((False, True)), outcomes.count((True, False))
    images = [rows_a[key][0].image for key in ids]
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
        if len(set(values := [str(getattr(s.result, key, None)) for s in (a, b)])) > 1
    ]
    other_gold = sum(rows_a[key][0].gold != rows_b[key][0].gold for key in ids)
    if other_gold:
        notes.append(f"the golds of {other_gold} samples differ: not the same data")
    notes += [
        f"{name} is not finished: {suite.result.n} of {suite.result.wanted} so far"
        for name, suite in ((a_name, a), (b_name, b))
        if suite.result.wanted is not None
    ]
    most = [max(len(rows[key]) for key in ids) for rows in (rows_a, rows_b)]
    if max(most) > 1:
        notes.append(
            f"{most[0]} and {most[1]} answers to a sample: the difference is of their means, fixed "
            "and broken go by the majority"
        )
    return Pair(
        suite=a.name, suite_b=b.name, a=a_name, b=b_name, n=len(ids), fixed=fixed, broken=broken,
        both=outcomes.count((True, True)), neither=outcomes.count((False, False)),
        unpaired=len(rows_a) + len(rows_b) - 2 * len(ids),
        difference=difference, low=low, high=high, method=method,
        p=mcnemar_exact(broken, fixed), notes=notes,
    )  # fmt: skip


def mostly_right(suite: SuiteRun, rows: Sequence[SampleRow]) -> bool:
    """Whether more than half of the answers to one question are right."""
    return 2 * sum(map(suite.right, rows)) > len(rows)


def _mean(suite: SuiteRun, rows: Sequence[SampleRow]) -> float:
    return fmean(row.metrics[suite.result.primary] for row in rows)
