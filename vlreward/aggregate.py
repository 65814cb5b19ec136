"""From scores to a report: means with intervals, and how many items failed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from vlreward.metrics.intervals import Interval, bootstrap_mean, wilson_interval
from vlreward.task import TaskSpec
from vlreward.types import Score

__all__ = ["Report", "aggregate"]


class Report(BaseModel):
    """What a set of scores amounts to. A mean never stands without its count of failures."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True
    )

    task: str
    """Name of the task."""
    primary: str
    """Name of the metric that `acc` is the mean of."""
    acc: float
    """Mean of the primary metric, failures counted as 0; in [0, 1]."""
    acc_ci: Interval
    """Interval of `acc` for samples that are independent: Wilson's, or where the primary metric is
    a fraction such as F1 a bootstrap; of whole questions where each has several scores."""
    acc_ci_clustered: Interval | None
    """Bootstrap interval of `acc` that resamples whole images; None where images are not named, or
    none or all samples share one."""
    n: int
    """Number of scores, failures included."""
    parse_rate: float
    """Share of scores without a failure; in [0, 1]."""
    failures: dict[str, int]
    """Number of failures by code, the most frequent first."""
    metrics: dict[str, float]
    """Mean of each metric over the items that have it."""
    metrics_n: dict[str, int]
    """Number of items that each metric's mean is over; below `n` where failures have no value."""
    reward: float
    """Mean of the weighted sum of the terms."""
    terms: dict[str, float]
    """Mean of each reward term over the items that have it."""


def aggregate(
    task: TaskSpec,
    scores: Sequence[Score],
    groups: Sequence[str | None] | None = None,
    questions: Sequence[str] | None = None,
) -> Report:
    """Summarise scores.

    Args:
        task: The task that gave the scores.
        scores: At least one score.
        groups: What each score's sample shares with others, normally its image; None, or a None
            among them, leaves out the clustered interval.
        questions: Which question each score is of, where some have several; they share a group.

    Raises:
        ValueError: If there are no scores, or not as many groups or questions.
    """
    if not scores:
        raise ValueError("expected at least one score, got none: an empty mean has no value")
    for name, given in (("groups", groups), ("questions", questions)):
        if given is not None and len(given) != len(scores):
            raise ValueError(f"expected {len(scores)} {name}, got {len(given)}")
    n = len(scores)
    independent = n if questions is None else len(set(questions))
    primary = [score.metrics[task.primary] for score in scores]
    failed = Counter(score.failure.code.value for score in scores if score.failure is not None)
    clustered = None
    if groups is not None and None not in groups and 1 < len(set(groups)) < independent:
        clustered = bootstrap_mean(primary, groups=[str(group) for group in groups])
    measured = {
        m.name: [s.metrics[m.name] for s in scores if m.name in s.metrics] for m in task.metrics
    }
    earned = {t.name: [s.terms[t.name] for s in scores if t.name in s.terms] for t in task.terms}
    return Report(
        task=task.name,
        primary=task.primary,
        acc=sum(primary) / n,
        acc_ci=_interval(primary, questions if 1 < independent < n else None),
        acc_ci_clustered=clustered,
        n=n,
        parse_rate=1 - sum(failed.values()) / n,
        failures=dict(failed.most_common()),
        metrics=_means(measured),
        metrics_n={name: len(values) for name, values in measured.items()},
        reward=sum(score.value for score in scores) / n,
        terms=_means(earned),
    )


def _interval(values: Sequence[float], questions: Sequence[str] | None) -> Interval:
    """Wilson's where every value is 0 or 1; of fractions, such as F1, by resampling them."""
    if questions is not None:
        return bootstrap_mean(values, groups=questions)
    if len(values) > 1 and any(value not in (0, 1) for value in values):
        return bootstrap_mean(values)
    return wilson_interval(round(sum(values)), len(values))


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: sum(found) / len(found) for name, found in values.items() if found}
