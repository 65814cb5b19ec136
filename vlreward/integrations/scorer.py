"""`Scorer`: completions of any task, each with its one gold, as a trainer hands them over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from vlreward._text import short
from vlreward.golds import Envelope, read_gold
from vlreward.integrations.settings import Settings
from vlreward.parsers.tags import think_answer_structure
from vlreward.registry import UnknownNameError, unknown_name
from vlreward.rewards import TaskReward
from vlreward.rewards.inputs import PLACE, ROW_COLUMNS
from vlreward.scoring import score as score_one
from vlreward.scoring import score_batch, score_quickly
from vlreward.task import AnswerTerm, TaskSpec, TextTerm
from vlreward.tasks import TASKS, get_task, gold_class
from vlreward.types import Completion, Row, Score

__all__ = ["COLUMNS", "NUMBERS", "Scored", "Scorer", "reward_under", "scorer_for"]

NUMBERS = ("score", "acc", "answer", "format", "parsed", "timeout")
"""Names in `Scored.numbers`, whatever the task."""

COLUMNS = (*PLACE, "metadata", "truncated")
"""What a trainer may say of a row beside its gold; each outweighs what the gold's envelope says."""

_UNNAMED = "a bare gold"


class Scored(NamedTuple):
    """What one completion earned."""

    task: str
    """Task of its gold."""
    score: Score
    """Value, terms, failure and answer; of the metrics the primary one."""
    numbers: dict[str, float]
    """The same `NUMBERS` for every task, since some trainers read the names off the first sample
    and average them all: `score` is the weighted sum; `acc` the task's primary metric; `answer`
    the first term that looks at the answer; `format` 1 for the format asked for; `parsed` 1 if
    there was a usable answer; `timeout` 1 if its verification did not finish."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """How one task is scored under the settings."""

    spec: TaskSpec
    reward: TaskReward
    acc: str | None
    """The primary metric, if there is one."""
    answer: str | None
    """The first term that looks at the answer."""


class Scorer:
    """Scores completions of all tasks under one set of settings.

    Args:
        settings: How to score.

    Raises:
        ValueError: If no task has the protocol, or a weight is for no term of any task.

    Example:
        >>> from vlreward.tasks.counting import COUNTING
        >>> scorer = Scorer(Settings(task=COUNTING.name))
        >>> scorer.score("<think>red, blue</think><answer>2</answer>", "2").numbers
        {'score': 2.0, 'acc': 1.0, 'answer': 1.0, 'format': 1.0, 'parsed': 1.0, 'timeout': 0.0}
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._rules: dict[str, _Rules] = {}
        self._row_of_text = lru_cache(maxsize=16_384)(self._read_row)
        self._check()

    def __reduce__(self) -> tuple[type[Scorer], tuple[Settings]]:
        return type(self), (self.settings,)

    def _check(self) -> None:
        specs: dict[str, TaskSpec] = {}
        problem: UnknownNameError | None = None
        named = self.settings.task
        for name in dict.fromkeys((*TASKS, *([] if named is None else [named]))):
            try:
                specs[name] = self._spec(name)
            except UnknownNameError as error:
                if name == named:
                    raise ValueError(str(error)) from None
                problem = error
        if not specs:
            raise ValueError(f"no task has the protocol {self.settings.protocol!r}: {problem}")
        known = [
            *(f"{task}.{term.name}" for task, spec in specs.items() for term in _terms(spec)),
            *(term.name for spec in specs.values() for term in _terms(spec)),
        ]
        for name in self.settings.weights:
            if name not in known:
                raise ValueError(str(unknown_name("term", name, dict.fromkeys(known))))

    def _spec(self, task: str) -> TaskSpec:
        return get_task(task, protocol=self.settings.protocol, method=None)

    def rules(self, task: str) -> _Rules:
        """How a task is scored.

        Raises:
            ValueError: If there is no such task, or not under this protocol.
        """
        if (known := self._rules.get(task)) is not None:
            return known
        try:
            spec = self._spec(task)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        settings = self.settings
        own = {t.name: settings.weights.get(f"{task}.{t.name}") for t in _terms(spec)}
        given = {name: settings.weights.get(name) if w is None else w for name, w in own.items()}
        weights = {name: weight for name, weight in given.items() if weight is not None}
        names = [t.name for t in _terms(spec) if t.name in weights or t in spec.terms]
        reward = reward_under(settings, spec, terms=names, weights=weights)
        spec = reward.spec.model_copy(update={"metrics": spec.metrics[:1]})
        rules = _Rules(
            spec,
            reward,
            spec.metrics[0].name if spec.metrics else None,
            next((term.name for term in spec.terms if isinstance(term, AnswerTerm)), None),
        )
        return self._rules.setdefault(task, rules)

    def score(self, text: str, gold: Any, *, task: str | None = None, **given: Any) -> Scored:
        """Score one completion.

        Args:
            text: A generated text, without the tokens that end it (`strip_end`).
            gold: An envelope, or a bare gold.
            task: Task of the gold, where known otherwise.
            given: Values of `COLUMNS`; also `image`, for its size.

        Raises:
            ValueError: If the gold is bad or a frame or size is missing; says the remedy.
        """
        rules, row = self._row(gold, task, given)
        completion = Completion(text, bool(given.get("truncated")))
        return _scored(rules, score_one(rules.spec, completion, row), text)

    def score_quickly(
        self, text: str, gold: Any, *, task: str | None = None, **given: Any
    ) -> Scored | None:
        """As `score`, but None where a worker process would have to tell, which can take seconds.

        Raises:
            ValueError: As `score`.
        """
        rules, row = self._row(gold, task, given)
        found = score_quickly(rules.spec, Completion(text, bool(given.get("truncated"))), row)
        return None if found is None else _scored(rules, found, text)

    def scores(
        self,
        texts: Sequence[str],
        golds: Sequence[Any],
        *,
        tasks: Sequence[str | None] | None = None,
        **columns: Sequence[Any] | None,
    ) -> list[Scored]:
        """Score completions, which may belong to different tasks; see `score`.

        Args:
            texts: Generated texts.
            golds: As many golds.
            tasks: Task of each, where known otherwise.
            columns: For each of `COLUMNS` as many values.

        Raises:
            ValueError: As `score`; names the row of the batch.
        """
        if len(texts) != len(golds):
            raise ValueError(
                f"expected as many golds as completions, got {len(golds)} and {len(texts)}"
            )
        used: dict[str, Any] = {n: column for n, column in columns.items() if column is not None}
        given: dict[str, Any] = {}
        parts: dict[str, list[tuple[int, _Rules, Completion, Row]]] = {}
        for i, (text, gold) in enumerate(zip(texts, golds)):
            if used:
                given = {name: column[i] for name, column in used.items()}
            try:
                rules, row = self._row(gold, tasks[i] if tasks else None, given)
            except ValueError as error:
                raise ValueError(f"row {i} of the batch: {error}") from None
            completion = Completion(text, bool(given.get("truncated")))
            parts.setdefault(row.task, []).append((i, rules, completion, row))
        results: dict[int, Scored] = {}
        for part in parts.values():
            indices, (rules, *_), completions, rows = zip(*part)  # one task has one set of rules
            for i, found in zip(indices, score_batch(rules.spec, completions, rows)):
                results[i] = _scored(rules, found, texts[i])
        return [results[i] for i in range(len(texts))]

    def _row(self, gold: Any, task: str | None, given: dict[str, Any]) -> tuple[_Rules, Row]:
        """What a gold and what is given beside it say, and how its task is scored."""
        said = given and {n: v for n, v in given.items() if v is not None and n in ROW_COLUMNS}
        if said or not isinstance(gold, str):
            return self._read_row(gold, task, **said)
        return self._row_of_text(gold, task)  # the completions of a group share it

    def _read_row(self, gold: Any, task: str | None, **said: Any) -> tuple[_Rules, Row]:
        if gold is None:
            raise ValueError("expected a gold, got None")
        named = task or self.settings.task or _UNNAMED
        read = read_gold(gold, named, gold_class(named))
        found = read.gold.task if isinstance(read, Envelope) else read.task
        if found == _UNNAMED:
            raise ValueError(
                f"expected a gold envelope, got {short(gold, 80)}: make one with `vlreward pack`, "
                "or name the task of bare golds with VLREWARD_TASK or by a `task` beside each"
            )
        if task is not None and found != task:
            self.rules(task)  # says so if there is no such task at all
            raise ValueError(f"expected a gold of task {task!r}, got one of {found!r}")
        rules = self.rules(found)
        row = rules.reward.row(read, **said)
        assert row is not None  # it is of this very task
        return rules, row


def _terms(spec: TaskSpec) -> tuple[AnswerTerm | TextTerm, ...]:
    return (*spec.terms, *spec.extra_terms)


def _scored(rules: _Rules, score: Score, text: str) -> Scored:
    terms = score.terms
    answer = terms.get(rules.answer, 0.0) if rules.answer is not None else 0.0
    shape = terms.get("format")
    numbers = {
        "score": score.value,
        "acc": answer if rules.acc is None else score.metrics.get(rules.acc, 0.0),
        "answer": answer,
        "format": float(think_answer_structure(text)) if shape is None else shape,
        "parsed": 1.0 if score.failure is None else 0.0,
        "timeout": 1.0 if score.unsettled else 0.0,
    }
    return Scored(rules.spec.name, score, numbers)


def reward_under(settings: Settings, spec: TaskSpec, **options: Any) -> TaskReward:
    """A task as a reward under the settings, with the other `options` of `TaskReward`."""
    return TaskReward(
        spec.configured(deadline=settings.deadline),
        frame=settings.frame,
        family=settings.family,
        min_pixels=settings.min_pixels,
        max_pixels=settings.max_pixels,
        axis_order=settings.axis_order,
        clip=settings.clip and spec.clips,
        **options,
    )


@lru_cache(maxsize=64)
def _scorer(fields: str) -> Scorer:
    return Scorer(Settings.model_validate_json(fields))


def scorer_for(defaults: Settings, options: Mapping[str, Any] | None = None) -> Scorer:
    """The scorer for settings, with a trainer's own options in place of some.

    Raises:
        ValueError: If an option is bad; names it.
    """
    settings = defaults.updated(options) if options else defaults
    return _scorer(json.dumps(settings.model_dump(mode="json"), sort_keys=True))
