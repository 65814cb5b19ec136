"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, NamedTuple

from vlreward.spec import AnswerTerm, TaskSpec, TextTerm
from vlreward.types import Completion, FailureCode, Parsed, ParseFailure, Row, Sample, Score

__all__ = ["Rewards", "parse", "reward_batch", "score", "score_batch"]

_NO_REGION = (FailureCode.NO_ANSWER, FailureCode.NO_BOX)

Outcome = Parsed[Any] | ParseFailure


class Rewards(NamedTuple):
    """What `reward_batch` gives: two lists, in the order of the completions."""

    values: list[float]
    """`Score.value` of each completion."""
    failures: list[ParseFailure | None]
    """`Score.failure` of each completion."""


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
        >>> from vlreward.tasks import get_task
        >>> from vlreward.types import CountGold
        >>> sample = Sample(id="1", gold=CountGold(count=4))
        >>> completion = Completion("<think>red, blue</think><answer>4</answer>")
        >>> score(get_task("counting"), completion, sample).terms
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
    outcomes = [parse(task, completion) for completion in completions]
    judged = _judge(task, outcomes, samples)
    terms = _columns(task.terms, completions, outcomes, judged, samples)
    metrics = _columns(task.metrics, completions, outcomes, judged, samples)
    values = _values(task.terms, terms, len(samples))
    scores = []
    for i, (outcome, verdict) in enumerate(zip(outcomes, judged)):
        failed = isinstance(verdict, ParseFailure)
        scores.append(
            Score(
                value=values[i],
                terms=_named(task.terms, terms, i),
                metrics=_named(task.metrics, metrics, i),
                failure=verdict if failed else None,
                answer=outcome.value if isinstance(outcome, Parsed) else None,
                judged=None if failed else verdict,
                span=outcome.span,
            )
        )
    return scores


def reward_batch(
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample | Row]
) -> Rewards:
    """`Score.value` and `Score.failure` of each completion, without the rest: for hot paths.

    Args, errors and values are those of `score_batch`.
    """
    _check(task, completions, samples)
    outcomes = _brief_outcomes(task, completions)
    judged = _judge(task, outcomes, samples)
    terms = _columns(task.terms, completions, outcomes, judged, samples)
    failures = [verdict if isinstance(verdict, ParseFailure) else None for verdict in judged]
    return Rewards(_values(task.terms, terms, len(samples)), failures)


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


def _brief_outcomes(task: TaskSpec, completions: Sequence[Completion]) -> list[Any]:
    """What `parse` gives, but the bare answer where a `UsualParser` knows it at one look."""
    looks = [term for term in task.terms if isinstance(term, TextTerm)]
    if "usual" not in vars(type(task.parser)) or any(term.on_structure is None for term in looks):
        return [parse(task, completion) for completion in completions]
    usual = task.parser.usual
    return [
        parse(task, completion)
        if completion.truncated or (brief := usual(completion.text)) is None
        else brief
        for completion in completions
    ]


def _judge(task: TaskSpec, outcomes: Sequence[Any], samples: Sequence[Sample | Row]) -> list[Any]:
    """What the judge makes of each answer; a failure to answer stays what it is."""
    answered = [not isinstance(outcome, ParseFailure) for outcome in outcomes]
    answers = [
        outcome.value if isinstance(outcome, Parsed) else outcome
        for outcome in compress(outcomes, answered)
    ]
    verdicts: list[Any] = task.judge.many(answers, list(compress(samples, answered)))
    if len(verdicts) != len(answers):
        raise ValueError(
            f"expected {len(answers)} verdicts from the judge of {task.name!r}, got {len(verdicts)}"
        )
    following = iter(verdicts)
    return [next(following) if found else failure for found, failure in zip(answered, outcomes)]


def _columns(
    terms: Sequence[AnswerTerm | TextTerm],
    completions: Sequence[Completion],
    outcomes: Sequence[Any],
    judged: Sequence[Any],
    samples: Sequence[Sample | Row],
) -> list[list[float | None]]:
    """The numbers of each term, one column for each."""
    columns: list[list[float | None]] = []
    for term in terms:
        if isinstance(term, AnswerTerm):
            compare, otherwise = term.function, term.on_failure
            columns.append(
                [
                    otherwise if isinstance(verdict, ParseFailure) else compare(verdict, s.target)
                    for verdict, s in zip(judged, samples)
                ]
            )
        else:
            look, structured = term.function, term.on_structure
            columns.append(
                [
                    look(completion, outcome)
                    if isinstance(outcome, (Parsed, ParseFailure))
                    else structured
                    for completion, outcome in zip(completions, outcomes)
                ]
            )
    return columns


def _values(
    terms: Sequence[AnswerTerm | TextTerm], columns: Sequence[Sequence[float | None]], n: int
) -> list[float]:
    """The weighted sum of each row."""
    values = [0.0] * n
    for term, column in zip(terms, columns):
        weight = term.weight
        values = [
            value if number is None else value + weight * number
            for value, number in zip(values, column)
        ]
    return values


def _named(
    terms: Sequence[AnswerTerm | TextTerm], columns: Sequence[Sequence[float | None]], row: int
) -> dict[str, float]:
    return {
        term.name: float(number)
        for term, column in zip(terms, columns)
        if (number := column[row]) is not None
    }
