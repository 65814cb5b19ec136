"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.spec import AnswerTerm, TaskSpec, TextTerm
from vlreward.types import Completion, FailureCode, Parsed, ParseFailure, Row, Sample, Score

__all__ = ["parse", "reward_batch", "score", "score_batch"]

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
    outcomes, judged = _judge(task, completions, samples)
    scores = []
    for completion, outcome, verdict, sample in zip(completions, outcomes, judged, samples):
        value, numbers = _terms(task.terms, completion, outcome, verdict, sample)
        _, metrics = _terms(task.metrics, completion, outcome, verdict, sample)
        failed = isinstance(verdict, ParseFailure)
        scores.append(
            Score(
                value=value,
                terms=_named(task.terms, numbers),
                metrics=_named(task.metrics, metrics),
                failure=verdict if failed else None,
                answer=outcome.value if isinstance(outcome, Parsed) else None,
                judged=None if failed else verdict,
                span=outcome.span,
            )
        )
    return scores


def reward_batch(
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample | Row]
) -> list[tuple[float, ParseFailure | None]]:
    """`Score.value` and `Score.failure` of each completion, without the rest: for hot paths.

    Args, errors and values are those of `score_batch`.
    """
    outcomes, judged = _judge(task, completions, samples)
    terms = task.terms
    return [
        (
            _terms(terms, completion, outcome, verdict, sample)[0],
            verdict if isinstance(verdict, ParseFailure) else None,
        )
        for completion, outcome, verdict, sample in zip(completions, outcomes, judged, samples)
    ]


def _judge(
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample | Row]
) -> tuple[list[Outcome], list[Any]]:
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
    parser = task.parser
    outcomes: list[Outcome] = [
        parse(task, completion) if completion.truncated else parser(completion.text)
        for completion in completions
    ]
    judged: list[Any] = list(outcomes)
    found = [i for i, outcome in enumerate(outcomes) if type(outcome) is Parsed]
    answers = [judged[i].value for i in found]
    verdicts = task.judge.many(answers, [samples[i] for i in found])
    for i, verdict in zip(found, verdicts, strict=True):
        judged[i] = verdict
    return outcomes, judged


def _terms(
    terms: Sequence[AnswerTerm | TextTerm],
    completion: Completion,
    outcome: Outcome,
    judged: Any,
    sample: Sample | Row,
) -> tuple[float, list[float | None]]:
    """The weighted sum of the terms, and each of them."""
    failed = isinstance(judged, ParseFailure)
    total = 0.0
    numbers: list[float | None] = []
    for term in terms:
        if isinstance(term, AnswerTerm):
            number = term.on_failure if failed else term.function(judged, sample.target)
        else:
            number = term.function(completion, outcome)
        numbers.append(number)
        if number is not None:
            total += term.weight * number
    return total, numbers


def _named(
    terms: Sequence[AnswerTerm | TextTerm], numbers: Sequence[float | None]
) -> dict[str, float]:
    return {term.name: float(number) for term, number in zip(terms, numbers) if number is not None}
