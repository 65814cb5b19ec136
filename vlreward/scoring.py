"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
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
        ValueError: If the lengths differ, a sample belongs to another task or lacks the frame or
            size that its answers need, or a term gives no finite number: errors of the caller. No
            completion text raises.
    """
    _check(task, completions, samples)
    outcomes = [parse(task, completion) for completion in completions]
    judged = _judged(task, task.judge.many, outcomes, samples)
    rows = zip(completions, outcomes, judged, samples)
    return [_score(task, text, outcome, verdict, row) for text, outcome, verdict, row in rows]


def score_quickly(task: TaskSpec, completion: Completion, sample: Sample | Row) -> Score | None:
    """As `score`, but None where the judge would have to wait for another process.

    For loops that must not stand still: an engine's, a server's. What is None here is scored by
    `score_batch` where waiting hurts nobody.
    """
    _check(task, [completion], [sample])
    outcome = parse(task, completion)
    quick = getattr(task.judge, "quick", None)  # a judge without it never waits
    (judged,) = _judged(task, quick or task.judge.many, [outcome], [sample])
    if judged is None and quick is not None:
        return None
    return _score(task, completion, outcome, judged, sample)


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


def _judged(
    task: TaskSpec,
    many: Callable[..., list[Any]],
    outcomes: Sequence[Outcome],
    samples: Sequence[Sample | Row],
) -> list[Any]:
    """What the judge makes of each answer; a failure to answer stays what it is."""
    asked, answers = [], []
    for outcome, sample in zip(outcomes, samples):
        if isinstance(outcome, Parsed):
            asked.append(sample)
            answers.append(outcome.value)
    verdicts = many(answers, asked)
    if len(verdicts) != len(answers):
        raise ValueError(
            f"expected {len(answers)} verdicts from the judge of {task.name!r}, got {len(verdicts)}"
        )
    following = iter(verdicts)
    return [next(following) if isinstance(o, Parsed) else o for o in outcomes]


def _score(
    task: TaskSpec, completion: Completion, outcome: Outcome, judged: Any, sample: Sample | Row
) -> Score:
    """The numbers of one completion, of which the judge has said what it makes of the answer."""
    failed, target = isinstance(judged, ParseFailure), sample.target
    value, terms, metrics = 0.0, {}, {}
    for term in task.terms:
        if isinstance(term, TextTerm):
            number = float(term.function(completion, outcome))
        elif not failed:
            number = float(term.function(judged, target))
        elif term.on_failure is None:
            continue
        else:
            number = term.on_failure
        terms[term.name] = number
        value += term.weight * number
    for metric in task.metrics:
        if not failed:
            metrics[metric.name] = float(metric.function(judged, target))
        elif metric.on_failure is not None:
            metrics[metric.name] = metric.on_failure
    if not isfinite(value):
        raise ValueError(f"expected a finite score, got {value!r} from {terms!r}")
    answer = outcome.value if isinstance(outcome, Parsed) else None
    if failed:
        if judged.code is FailureCode.UNPARSABLE_GOLD:
            _say_once(task.name, judged.detail)
        return Score(value, terms, metrics, judged, answer, None, outcome.span)
    return Score(value, terms, metrics, None, answer, judged, outcome.span)


@lru_cache
def _say_once(task: str, detail: str) -> None:
    """A run of days does not end by one row; that the row earns nothing must be known."""
    logging.getLogger(__name__).warning(
        "a gold of task %s cannot be read, its answers earn 0: %s; check the data before training, "
        "e.g. with `vlreward data check`",
        task,
        detail,
    )
