"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any

from vlreward.task import TaskSpec, TextTerm
from vlreward.types import Completion, FailureCode, Parsed, ParseFailure, Row, Sample, Score

__all__ = ["parse", "score", "score_batch", "score_quickly"]

_NO_REGION = (FailureCode.NO_ANSWER, FailureCode.NO_BOX)

Outcome = Parsed[Any] | ParseFailure


def parse(task: TaskSpec, completion: Completion) -> Parsed[Any] | ParseFailure:
    """Run the task's parser. Where generation was cut before an answer, say `truncated`."""
    outcome: Outcome = task.parser(completion.text)
    if completion.truncated and isinstance(outcome, ParseFailure) and outcome.code in _NO_REGION:
        return ParseFailure(
            FailureCode.TRUNCATED, f"generation stopped at the token limit; {outcome.detail}"[:200]
        )
    return outcome


def score(task: TaskSpec, completion: Completion, sample: Sample | Row) -> Score:
    """Score one completion; see `score_batch`.

    Example:
        >>> from vlreward.tasks.counting import COUNTING
        >>> completion = Completion("<think>red, blue</think><answer>4</answer>")
        >>> score(COUNTING, completion, Row(COUNTING.name, 4)).terms
        {'exact': 1.0, 'format': 1.0}
    """
    return score_batch(task, [completion], [sample])[0]


def score_batch(
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample | Row]
) -> list[Score]:
    """Score completions against the samples that they answer, pairwise and in order.

    Text terms always run. Answer terms and metrics run on parsed and judged answers only; where
    there is none they have their `on_failure` value and `Score.failure` says why.

    Args:
        task: What to parse, judge and compute.
        completions: Generated texts.
        samples: As many samples; their golds must belong to `task`.

    Raises:
        ValueError: If the lengths differ, or a sample belongs to another task or lacks the frame
            or size that its answers need: errors of the caller. No completion text raises.
    """
    _check(task, completions, samples)
    scores = _scored(task, completions, samples, task.judge.many)
    return [score for score in scores if score is not None]


def score_quickly(task: TaskSpec, completion: Completion, sample: Sample | Row) -> Score | None:
    """As `score`, but None where the judge would have to wait for another process.

    For loops that must not stand still: an engine's, a server's. What is None here is scored by
    `score_batch` where waiting hurts nobody.
    """
    _check(task, [completion], [sample])
    return next(_scored(task, [completion], [sample], getattr(task.judge, "quick", None)))


def _check(
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample | Row]
) -> None:
    if len(completions) != len(samples):
        raise ValueError(
            f"expected as many samples as completions, got {len(samples)} and {len(completions)}"
        )
    name = task.name
    for sample in samples:
        if sample.task != name:
            raise ValueError(
                f"expected a gold of task {name!r}, got one of {sample.task!r} in sample "
                f"{sample.id!r}"
            )


def _scored(
    task: TaskSpec,
    completions: Sequence[Completion],
    samples: Sequence[Sample | Row],
    many: Callable[..., list[Any]] | None,
) -> Iterator[Score | None]:
    """The scores, or None where the judge gives None. (A judge without `quick` never waits.)"""
    outcomes = [parse(task, completion) for completion in completions]
    found = [isinstance(outcome, Parsed) for outcome in outcomes]
    answers = [outcome.value for outcome in outcomes if isinstance(outcome, Parsed)]
    verdicts = (many or task.judge.many)(answers, list(compress(samples, found)))
    if len(verdicts) != len(answers):
        raise ValueError(
            f"expected {len(answers)} verdicts from the judge of {task.name!r}, got {len(verdicts)}"
        )
    following = iter(verdicts)
    for completion, outcome, sample in zip(completions, outcomes, samples):
        if isinstance(outcome, ParseFailure):
            yield _score(task, completion, outcome, outcome, sample)
        elif (judged := next(following)) is None:
            yield None
        else:
            yield _score(task, completion, outcome, judged, sample)


def _score(
    task: TaskSpec, completion: Completion, outcome: Outcome, judged: Any, sample: Sample | Row
) -> Score:
    """The numbers of one completion, of which the judge has said what it makes of the answer."""
    failed, target = isinstance(judged, ParseFailure), sample.target
    value, terms, metrics = 0.0, {}, {}
    for term in task.terms:
        if isinstance(term, TextTerm):
            number = term.function(completion, outcome)
        elif not failed:
            number = term.function(judged, target)
        elif term.on_failure is None:
            continue
        else:
            number = term.on_failure
        terms[term.name] = number = float(number)
        value += term.weight * number
    for metric in task.metrics:
        if not failed:
            metrics[metric.name] = float(metric.function(judged, target))
        elif metric.on_failure is not None:
            metrics[metric.name] = metric.on_failure
    return Score(
        value=value,
        terms=terms,
        metrics=metrics,
        failure=judged if failed else None,
        answer=outcome.value if isinstance(outcome, Parsed) else None,
        judged=None if failed else judged,
        span=outcome.span,
    )
