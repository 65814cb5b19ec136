"""One reward function for each term of each task, as TRL logs and weights them.

TRL calls every reward function on its own, with the same lists. The terms of one task share what
they have in common, parsing and judging, so that a batch is scored once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from inspect import signature
from math import isfinite
from time import perf_counter
from typing import Any, NamedTuple

from vlreward._text import one_line, short
from vlreward.errors import OptionError, UserError
from vlreward.rewards import REWARDS, TaskReward
from vlreward.task import weight_of
from vlreward.training.columns import COLUMNS
from vlreward.training.traces import TraceFile
from vlreward.types import Score

__all__ = ["SharedScores", "TermReward", "UserReward", "cut_off", "term_rewards", "user_rewards"]

_GIVEN = (
    "completions", "prompts", "completion_ids", *COLUMNS[1:], "logp_difference", "environments",
    "trainer_state", "log_metric", "log_extra",
)  # fmt: skip
"""What trainers give reward functions, by name; some of it not always."""


class _Batch(NamedTuple):
    """The batch that was scored last, by one thread."""

    completions: Any
    solution: Any
    scores: list[Score | None]
    taken: set[str]
    """The terms that have asked for it."""


class SharedScores:
    """Scores of one task: computed when its first term is asked for, dropped after the last.

    Batches are told apart by the identity of their lists, for each thread of its own. Picklable;
    a copy starts without a batch.

    Args:
        reward: The task with its terms, weights and protocol.
        traces: Where each completion is written, if anywhere.

    Attributes:
        stop_ids: Token ids that end a completion; one that ends otherwise was truncated. Known
            once there is a model.
        mode: What the traces say that completions are for, `train` or `eval`.
    """

    def __init__(self, reward: TaskReward, traces: TraceFile | None = None) -> None:
        self.reward = reward
        self.stop_ids: frozenset[int] = frozenset()
        self.traces = traces
        self.mode = "train"
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reward, self.traces), {"stop_ids": self.stop_ids}

    def scores(
        self, term: str, completions: Sequence[Any], solution: Sequence[Any], /, **columns: Any
    ) -> list[Score | None]:
        """The scores of a batch, all their terms; None for rows of other tasks.

        A term that asks again asks for another batch.
        """
        batch: _Batch | None = getattr(self._local, "batch", None)
        if (
            batch is None
            or batch.completions is not completions
            or batch.solution is not solution
            or term in batch.taken
        ):
            scores = self._score(completions, solution, columns)
            batch = self._local.batch = _Batch(completions, solution, scores, set())
        batch.taken.add(term)
        if len(batch.taken) == len(self.reward.spec.terms):
            self._local.batch = None
        return batch.scores

    def _score(
        self, completions: Sequence[Any], solution: Sequence[Any], columns: dict[str, Any]
    ) -> list[Score | None]:
        started = perf_counter()
        ids = columns.get("completion_ids")
        if ids is not None and self.stop_ids:
            columns["truncated"] = cut_off(ids, self.stop_ids)
        scores = self.reward.scores(completions, solution, **columns)
        if self.traces is not None:
            self.traces.write(self.reward.spec.name, completions, scores, columns, self.mode)
        _log(self.reward.spec.name, scores, columns, perf_counter() - started)
        return scores


def cut_off(completions: Iterable[Sequence[int]], stop_ids: Container[int]) -> list[bool]:
    """Whether completions were cut off: they have no token that ends them."""
    return [not ids or ids[-1] not in stop_ids for ids in completions]


def _log(
    task: str, scores: Sequence[Score | None], columns: dict[str, Any], seconds: float
) -> None:
    """Log through the hooks that TRL passes; asynchronous trainers pass none."""
    extra: Callable[[str, list[Any]], None] | None = columns.get("log_extra")
    metric: Callable[[str, float], None] | None = columns.get("log_metric")
    if extra is not None:
        extra(f"{task}_answer", [None if s is None else shown(s.answer) for s in scores])
        extra(f"{task}_failure", [None if s is None else code_of(s) for s in scores])
    if metric is not None:
        name = f"answered/{task}"
        for score in scores:
            if score is not None:
                metric(name, float(score.failure is None))
        metric(f"seconds/{task}_reward", seconds)


def shown(answer: Any) -> str | None:
    """An answer as text for tables."""
    if answer is None or isinstance(answer, str):
        return answer
    if isinstance(answer, tuple):
        try:
            return _numbers(len(answer)) % answer
        except TypeError:  # not of numbers alone
            pass
    return str(answer)


@lru_cache
def _numbers(count: int) -> str:
    return f"[{', '.join(['%g'] * count)}]"


def code_of(score: Score) -> str | None:
    """The failure code of a score, None if there was an answer."""
    return None if score.failure is None else score.failure.code.value


@dataclass(frozen=True)
class TermReward:
    """One term of one task as a reward function for TRL.

    Rows of other tasks give None. Picklable and callable from any thread; the weight is TRL's to
    apply (`GRPOConfig.reward_weights`).
    """

    term: str
    """Name of the term."""
    weight: float
    """Its weight in the sum of the task."""
    shared: SharedScores
    """Scores, shared with the task's other terms."""

    @property
    def __name__(self) -> str:
        return f"{self.shared.reward.spec.name}_{self.term}"

    def __call__(
        self, completions: Sequence[Any], solution: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """The value of the term for each completion.

        Args:
            completions: Generated texts, or message lists.
            solution: Gold envelopes.
            columns: Everything else that TRL passes: the columns of the data set,
                `completion_ids`, `trainer_state`, `log_extra`, `log_metric`.
        """
        scores = self.shared.scores(self.term, completions, solution, **columns)
        if self.shared.reward.on_timeout == "none":
            scores = [None if score is None or score.unsettled else score for score in scores]
        return [None if score is None else score.terms.get(self.term) for score in scores]


def term_rewards(
    rewards: Sequence[TaskReward],
    *,
    traces: TraceFile | None = None,
) -> list[TermReward]:
    """The reward functions of tasks, one for each term.

    Args:
        rewards: One `TaskReward` for each task.
        traces: Where each completion is written, if anywhere.

    Example:
        >>> from vlreward.tasks.counting import COUNTING
        >>> functions = term_rewards([TaskReward(COUNTING)])
        >>> [f.__name__ for f in functions]
        ['counting_exact', 'counting_format']
        >>> completions = ["<think>two</think><answer>2</answer>", "2"]
        >>> [f(completions, solution=[2, 2]) for f in functions]
        [[1.0, 0.0], [1.0, 0.0]]
    """
    found = []
    for reward in rewards:
        shared = SharedScores(reward, traces)
        found += [TermReward(term.name, term.weight, shared) for term in reward.spec.terms]
    return found


@dataclass(frozen=True)
class UserReward:
    """A reward function beside the terms of the tasks.

    Raises:
        OptionError: If it cannot be called as trainers call it.
    """

    function: Callable[..., Any]
    """Called as TRL calls rewards: `f(completions=, **columns)`, one number or None for each."""
    weight: float = 1.0
    """Its weight in the reward."""

    def __post_init__(self) -> None:
        try:
            signature(self.function).bind(**dict.fromkeys(_GIVEN))
        except TypeError as error:
            raise OptionError(
                f"the reward function {self.__name__!r} cannot be called as a trainer does "
                f"({one_line(error)}): expected f(completions, **columns), with columns of "
                f"{', '.join(_GIVEN)}"
            ) from None
        except ValueError:  # it does not tell, as some that are not written in Python
            pass

    @property
    def __name__(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __call__(self, **columns: Any) -> list[float | None]:
        """What the function returns, if those are rewards.

        Raises:
            UserError: If it is not one number, or None, for each completion.
        """
        values, count = self.function(**columns), len(columns["completions"])
        try:
            found = [None if value is None else float(value) for value in values]
            wrong = len(found) != count or not all(v is None or isfinite(v) for v in found)
        except (TypeError, ValueError):
            wrong = True
        if wrong:
            raise UserError(
                f"the reward function {self.__name__!r}: expected {count} finite numbers, or None "
                f"for what it does not judge, got {short(values)}"
            )
        return found


def user_rewards(names: Sequence[str]) -> list[UserReward]:
    """The reward functions of `--rewards`.

    Args:
        names: Each `MODULE:FUNCTION`, or a name of the entry points `vlreward.rewards`; either may
            end in `=WEIGHT`. Modules are also found in the current directory.

    Raises:
        OptionError: If there is no such function, or a weight is no number.
        UnknownNameError: If there is no such entry point.
    """
    found = []
    for text in names:
        name, _, weight = text.partition("=")
        number = weight_of(weight or 1, f"--rewards: expected NAME=NUMBER, got {text!r}")
        function = _imported(name) if ":" in name else REWARDS.get(name)
        if not callable(function):
            raise OptionError(f"--rewards: expected a function, got {name!r}, {type(function)}")
        found.append(UserReward(function, number))
    return found


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # which a console script does not have there
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(f"--rewards {name}: {one_line(error)}") from error
