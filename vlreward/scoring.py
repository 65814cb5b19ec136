"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.spec import AnswerTerm, TaskSpec
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
        terms = _terms(task, completion, outcome, verdict, sample)
        metrics = {
            metric.name: number
            for metric in task.metrics
            if (number := _answer_term(metric, verdict, sample)) is not None
        }
        failed = isinstance(verdict, ParseFailure)
        scores.append(
            Score(
                value=_value(task, terms),
                terms=terms,
                metrics=metrics,
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
    return [
        (
            _value(task, _terms(task, completion, outcome, verdict, sample)),
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
    outcomes = [parse(task, completion) for completion in completions]
    judged: list[Any] = list(outcomes)
    found, answers = [], []
    for i, outcome in enumerate(outcomes):
        if isinstance(outcome, Parsed):
            found.append(i)
            answers.append(outcome.value)
    verdicts = task.judge.many(answers, [samples[i] for i in found])
    for i, verdict in zip(found, verdicts, strict=True):
        judged[i] = verdict
    return outcomes, judged


def _terms(
    task: TaskSpec, completion: Completion, outcome: Outcome, judged: Any, sample: Sample | Row
) -> dict[str, float]:
    terms: dict[str, float] = {}
    for term in task.terms:
        if isinstance(term, AnswerTerm):
            number = _answer_term(term, judged, sample)
            if number is not None:
                terms[term.name] = number
        else:
            terms[term.name] = float(term.function(completion, outcome))
    return terms


def _answer_term(term: AnswerTerm, judged: Any, sample: Sample | Row) -> float | None:
    if isinstance(judged, ParseFailure):
        return term.on_failure
    return float(term.function(judged, sample.target))


def _value(task: TaskSpec, terms: dict[str, float]) -> float:
    value = 0.0
    for term in task.terms:
        if term.name in terms:
            value += term.weight * terms[term.name]
    return value
