"""From completions to scores: the only place that runs parsers, judges and terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.spec import AnswerTerm, TaskSpec
from vlreward.types import Completion, FailureCode, Parsed, ParseFailure, Sample, Score

__all__ = ["parse", "score", "score_batch"]

_NO_REGION = (FailureCode.NO_ANSWER, FailureCode.NO_BOX)


def parse(task: TaskSpec, completion: Completion) -> Parsed[Any] | ParseFailure:
    """Run the task's parser. Where generation was cut before an answer, say `truncated`."""
    outcome: Parsed[Any] | ParseFailure = task.parser(completion.text)
    if completion.truncated and isinstance(outcome, ParseFailure) and outcome.code in _NO_REGION:
        return ParseFailure(
            FailureCode.TRUNCATED, f"generation stopped at the token limit; {outcome.detail}"[:200]
        )
    return outcome


def score(task: TaskSpec, completion: Completion, sample: Sample) -> Score:
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
    task: TaskSpec, completions: Sequence[Completion], samples: Sequence[Sample]
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
    if len(completions) != len(samples):
        raise ValueError(
            f"expected as many samples as completions, got {len(samples)} and {len(completions)}"
        )
    for sample in samples:
        if sample.gold.task != task.name:
            raise ValueError(
                f"expected a gold of task {task.name!r}, got one of {sample.gold.task!r} in sample "
                f"{sample.id!r}"
            )
    outcomes = [parse(task, completion) for completion in completions]
    judged: list[Any] = list(outcomes)
    found, answers = [], []
    for i, outcome in enumerate(outcomes):
        if isinstance(outcome, Parsed):
            found.append(i)
            answers.append(outcome.value)
    for i, verdict in zip(
        found, task.judge.many(answers, [samples[i] for i in found]), strict=True
    ):
        judged[i] = verdict
    return [
        _score(task, completion, outcome, verdict, sample)
        for completion, outcome, verdict, sample in zip(completions, outcomes, judged, samples)
    ]


def _score(
    task: TaskSpec,
    completion: Completion,
    outcome: Parsed[Any] | ParseFailure,
    judged: Any,
    sample: Sample,
) -> Score:
    failed = isinstance(judged, ParseFailure)
    value = 0.0
    terms: dict[str, float] = {}
    for term in task.terms:
        if isinstance(term, AnswerTerm):
            number = _answer_term(term, judged, failed, sample)
        else:
            number = float(term.function(completion, outcome))
        if number is not None:
            terms[term.name] = number
            value += term.weight * number
    metrics: dict[str, float] = {}
    for metric in task.metrics:
        number = _answer_term(metric, judged, failed, sample)
        if number is not None:
            metrics[metric.name] = number
    return Score(
        value=value,
        terms=terms,
        metrics=metrics,
        failure=judged if failed else None,
        answer=outcome.value if isinstance(outcome, Parsed) else None,
        judged=None if failed else judged,
        span=outcome.span,
    )


def _answer_term(term: AnswerTerm, judged: Any, failed: bool, sample: Sample) -> float | None:
    return term.on_failure if failed else float(term.function(judged, sample.target))
