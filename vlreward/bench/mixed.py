"""Suites whose rows belong to several tasks: each row is scored by the rules of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlreward.aggregate import Report, aggregate
from vlreward.bench.attempts import grouped
from vlreward.prompts import PromptTemplate, get_prompt
from vlreward.scoring import score_batch
from vlreward.suite import Suite
from vlreward.task import TaskSpec
from vlreward.tasks import get_task
from vlreward.types import Completion, Sample, Score

__all__ = ["JOINT", "Prompts", "Rules", "joined", "rules_of", "score_rows"]

JOINT = "acc"
"""Primary metric of rows of several tasks: the primary one of each row's own task."""


@dataclass(frozen=True)
class Prompts:
    """The words in which the rows of a suite are put to a model."""

    usual: PromptTemplate
    """Those of rows whose task has none of its own."""
    own: Mapping[str, PromptTemplate] = field(default_factory=dict)
    """By task, where rows of further tasks of the suite are put otherwise."""

    @classmethod
    def named(cls, usual: str, own: Mapping[str, str]) -> Prompts:
        """Presets by their names.

        Raises:
            UnknownNameError: If there is no such preset.
        """
        others = {task: get_prompt(name) for task, name in own.items() if name != usual}
        return cls(get_prompt(usual), others)

    def of(self, task: str) -> PromptTemplate:
        """The words of rows of a task."""
        return self.own.get(task, self.usual)

    @property
    def hash(self) -> str:
        """The hash of the usual words, and after it those of others, joined by `+`."""
        others = {template.hash for template in self.own.values()} - {self.usual.hash}
        return "+".join([self.usual.hash, *sorted(others)])


@dataclass(frozen=True)
class Rules:
    """How a suite is put to a model, and scored."""

    suite: Suite
    """The suite."""
    spec: TaskSpec
    """Task, protocol and method."""
    prompts: Prompts
    """How samples are put to the model."""


def rules_of(suite: Suite, spec: TaskSpec) -> dict[str, TaskSpec]:
    """The rules for each task that rows of a suite may belong to: those of one protocol.

    Raises:
        UnknownNameError: If a further task lacks the protocol or method.
    """
    more = (get_task(t, protocol=spec.protocol, method=spec.method) for t in suite.also)
    return {one.name: one for one in (spec, *more)}


def score_rows(
    specs: Mapping[str, TaskSpec], samples: Sequence[Sample], completions: Sequence[Completion]
) -> list[Score]:
    """Each completion's score by the rules of its sample's task.

    Raises:
        ValueError: If there are not as many completions, or a sample is of another task.
    """
    if len(samples) != len(completions):
        raise ValueError(f"expected {len(samples)} completions, got {len(completions)}")
    places = grouped(range(len(samples)), lambda place: samples[place].task)
    if unknown := places.keys() - specs.keys():
        expected, got = ", ".join(specs), ", ".join(sorted(unknown))
        raise ValueError(f"expected samples of {expected}, got some of {got}")
    scores: dict[int, Score] = {}
    for name, mine in places.items():
        found = score_batch(specs[name], [completions[i] for i in mine], [samples[i] for i in mine])
        scores.update(zip(mine, found))
    return [scores[place] for place in range(len(samples))]


def joined(
    specs: Mapping[str, TaskSpec], samples: Sequence[Sample], scores: Sequence[Score]
) -> tuple[TaskSpec, list[Score], dict[str, Report]]:
    """One task that stands for several, the scores with its primary metric, each task's report.

    The task is the first one of `specs`, with the metrics and terms of all.
    """
    marked = [
        score._replace(metrics={**score.metrics, JOINT: score.metrics[specs[s.task].primary]})
        for s, score in zip(samples, scores)
    ]
    by_task = grouped(zip(samples, scores), lambda pair: pair[0].task)
    reports = {
        name: aggregate(specs[name], [score for _, score in mine]) for name, mine in by_task.items()
    }
    spec = next(iter(specs.values()))
    metrics = {m.name: m for one in specs.values() for m in one.metrics if m.name != JOINT}
    terms = {t.name: t for one in specs.values() for t in one.terms}
    update = {
        "metrics": (replace(spec.metrics[0], name=JOINT), *metrics.values()),
        "terms": tuple(terms.values()),
    }
    return spec.model_copy(update=update), marked, reports
