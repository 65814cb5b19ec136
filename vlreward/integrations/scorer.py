"""`Scorer`: completions of any task, each with its one gold, as a trainer hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from vlreward.golds import unpack
from vlreward.integrations.settings import Settings
from vlreward.registry import UnknownNameError, unknown_name
from vlreward.rewards import TaskReward
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.types import FailureCode, Score

__all__ = ["NUMBERS", "Scored", "Scorer"]

NUMBERS = ("score", "acc", "answer", "format", "parsed", "timeout")
"""Names in `Scored.numbers`, whatever the task."""

_BUILT_IN = ("rec", "counting", "geometry")
_BARE = "a bare gold"
_ACC = "acc of the task"
_UNSETTLED = (FailureCode.TIMEOUT, FailureCode.WORKER_DIED)


@dataclass(frozen=True)
class Scored:
    """What one completion earned."""

    task: str
    """Task of its gold."""
    score: Score
    """Value, terms, failure and answer."""
    numbers: dict[str, float]
    """The same `NUMBERS` for every task, since some trainers read the names off the first sample
    and average them all: `score` is the weighted sum; `acc` the task's primary metric; `answer`
    the first term that looks at the answer; `format` 1 for the format asked for; `parsed` 1 if
    there was a usable answer; `timeout` 1 if its verification did not finish."""


class Scorer:
    """Scores completions of all tasks under one set of settings.

    Args:
        settings: How to score.

    Raises:
        ValueError: If no task has the protocol, or a weight is for no term of any task.

    Example:
        >>> scorer = Scorer(Settings(task="counting"))
        >>> scorer.score("<think>red, blue</think><answer>2</answer>", "2").numbers
        {'score': 2.0, 'acc': 1.0, 'answer': 1.0, 'format': 1.0, 'parsed': 1.0, 'timeout': 0.0}
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._rewards: dict[str, TaskReward] = {}
        self._task_of_text = lru_cache(maxsize=16_384)(self._task_of_gold)
        self._check()

    def __reduce__(self) -> tuple[type[Scorer], tuple[Settings]]:
        return type(self), (self.settings,)

    def _check(self) -> None:
        specs: dict[str, TaskSpec] = {}
        problem: UnknownNameError | None = None
        named = self.settings.task
        for name in _BUILT_IN if named is None or named in _BUILT_IN else (*_BUILT_IN, named):
            try:
                specs[name] = self._spec(name)
            except UnknownNameError as error:
                if name == named:
                    raise ValueError(str(error)) from None
                problem = error
        if not specs:
            raise ValueError(f"no task has the protocol {self.settings.protocol!r}: {problem}")
        known = [
            *(f"{task}.{t.name}" for task, s in specs.items() for t in (*s.terms, *s.extra_terms)),
            *(t.name for s in specs.values() for t in (*s.terms, *s.extra_terms)),
        ]
        for name in self.settings.weights:
            if name not in known:
                raise ValueError(str(unknown_name("term", name, dict.fromkeys(known))))

    def _spec(self, task: str) -> TaskSpec:
        from vlreward.tasks import get_task

        protocol = self.settings.protocol
        return get_task(task, protocol=protocol, method=None)

    def reward(self, task: str) -> TaskReward:
        """The reward of a task, with the accuracy beside its terms.

        Raises:
            ValueError: If there is no such task, or not under this protocol.
        """
        known = self._rewards.get(task)
        if known is not None:
            return known
        try:
            spec = self._spec(task)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        settings = self.settings
        terms = []
        for term in (*spec.terms, *spec.extra_terms):
            weight = settings.weights.get(f"{task}.{term.name}", settings.weights.get(term.name))
            if weight is not None:
                terms.append(replace(term, weight=weight))
            elif term in spec.terms:
                terms.append(term)
        if spec.metrics:
            accuracy = spec.metrics[0]
            terms.append(AnswerTerm(_ACC, accuracy.function, weight=0.0))
        update: dict[str, Any] = {"terms": tuple(terms)}
        if task == "geometry" and settings.protocol == "strict":
            from vlreward.judges import MathJudge
            from vlreward.verify import Policy

            update["judge"] = MathJudge(Policy(deadline=settings.deadline))
        reward = TaskReward(
            spec.model_copy(update=update),
            frame=settings.frame,
            family=settings.family,
            clip=settings.clip and task == "rec",
        )
        return self._rewards.setdefault(task, reward)

    def task_of(self, gold: Any, task: str | None = None) -> str:
        """The task of a gold: as given, else as its envelope says, else as the settings say.

        Raises:
            ValueError: If none of them says, or the gold is bad.
        """
        if task is not None:
            return task
        return (self._task_of_text if isinstance(gold, str) else self._task_of_gold)(gold)

    def _task_of_gold(self, gold: Any) -> str:
        if gold is None:
            raise ValueError("expected a gold, got None")
        named = self.settings.task
        found = unpack(gold, named or _BARE).gold.task
        if found == _BARE:
            raise ValueError(
                f"expected a gold envelope, got {str(gold)[:80]!r}: make one with `vlreward pack`, "
                "or name the task of bare golds with VLREWARD_TASK"
            )
        return found

    def score(self, text: str, gold: Any, *, task: str | None = None, **columns: Any) -> Scored:
        """Score one completion; see `scores`. `columns` holds single values here."""
        given = {name: [value] for name, value in columns.items() if value is not None}
        return self.scores([text], [gold], tasks=[task], **given)[0]

    def score_quickly(
        self, text: str, gold: Any, *, task: str | None = None, **columns: Any
    ) -> Scored | None:
        """`score`, or None where a worker process would have to tell, which can take seconds."""
        from vlreward.golds import unpack
        from vlreward.judges import PLAIN_JUDGES, MathJudge
        from vlreward.types import Parsed, plain_target
        from vlreward.verify.exact.settle import settle_exactly

        mine = self.task_of(gold, task)
        spec = self.reward(mine).spec
        if not isinstance(spec.judge, PLAIN_JUDGES):
            if not isinstance(spec.judge, MathJudge):
                return None
            outcome = spec.parser(text)
            if isinstance(outcome, Parsed):
                known = unpack(gold, mine).gold
                if known.task == mine:
                    target = plain_target(known)  # type: ignore[arg-type]
                    if settle_exactly(target, outcome.value, spec.judge.policy) is None:
                        return None
        return self.score(text, gold, task=task, **columns)

    def scores(
        self,
        texts: Sequence[str],
        golds: Sequence[Any],
        *,
        tasks: Sequence[str | None] | None = None,
        **columns: Sequence[Any],
    ) -> list[Scored]:
        """Score completions, which may belong to different tasks.

        Args:
            texts: Generated texts, without the tokens that end them (`strip_end`).
            golds: As many golds: envelopes, or bare ones.
            tasks: Task of each, where known otherwise.
            columns: What `TaskReward` reads: `image_size`, `input_size`, `frame`, `truncated`.

        Raises:
            ValueError: If a gold is bad or a frame or size is missing; names the row and remedy.
        """
        if len(texts) != len(golds):
            raise ValueError(
                f"expected as many golds as completions, got {len(golds)} and {len(texts)}"
            )
        rows: dict[str, list[int]] = {}
        for i, gold in enumerate(golds):
            try:
                rows.setdefault(self.task_of(gold, tasks[i] if tasks else None), []).append(i)
            except ValueError as error:
                raise ValueError(f"row {i} of the batch: {error}") from None
        results: dict[int, Scored] = {}
        for task, indices in rows.items():
            whole = len(indices) == len(texts)
            reward = self.reward(task)
            found = reward.scores(
                texts if whole else [texts[i] for i in indices],
                golds if whole else [golds[i] for i in indices],
                **_picked(columns, None if whole else indices),
            )
            for i, score in zip(indices, found, strict=True):
                results[i] = self._scored(task, reward, texts[i], score, i)
        return [results[i] for i in range(len(texts))]

    def _scored(
        self, task: str, reward: TaskReward, text: str, score: Score | None, row: int
    ) -> Scored:
        if score is None:
            raise ValueError(
                f"row {row} of the batch: expected a gold of task {task!r}, got one of another task"
            )
        code = score.failure.code if score.failure is not None else None
        if code is FailureCode.UNPARSABLE_GOLD and score.failure is not None:
            raise ValueError(
                f"row {row} of the batch: a gold cannot be read: {score.failure.detail}; check "
                "golds before training, e.g. with `vlreward pack`"
            )
        terms = dict(score.terms)
        acc = terms.pop(_ACC, None)
        answers = [t.name for t in reward.spec.terms if isinstance(t, AnswerTerm)]
        answer = terms.get(answers[0], 0.0)
        shape = terms.get("format")
        if shape is None:
            from vlreward.parsers.tags import think_answer_structure

            shape = float(think_answer_structure(text))
        numbers = {
            "score": float(score.value),
            "acc": float(answer if acc is None else acc),
            "answer": float(answer),
            "format": float(shape),
            "parsed": float(code is None),
            "timeout": float(code in _UNSETTLED),
        }
        return Scored(task, replace(score, terms=terms), numbers)


def _picked(
    columns: Mapping[str, Sequence[Any]], indices: Sequence[int] | None
) -> dict[str, Sequence[Any]]:
    if indices is None:
        return dict(columns)
    return {name: [column[i] for i in indices] for name, column in columns.items()}
