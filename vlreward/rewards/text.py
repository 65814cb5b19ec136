"""Rewards that look at the completion alone: structure, length, repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vlreward.metrics.text import cosine_length, repetition, soft_overlong, tag_count
from vlreward.parsers.tags import think_answer_structure
from vlreward.rewards.inputs import to_completions, to_texts
from vlreward.scoring import parse
from vlreward.task import TaskSpec, TextTerm
from vlreward.types import Completion

__all__ = [
    "FormatReward",
    "TextReward",
    "length_reward",
    "repetition_reward",
    "soft_overlong_reward",
    "tag_count_reward",
]


@dataclass(frozen=True)
class TextReward:
    """A reward that is a function of each completion's text and length.

    Args:
        name: Name that logs show.
        function: Completion to finite number; a module-level function or another picklable
            callable.
    """

    name: str
    function: Callable[[Completion], float]

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Reward each completion.

        Args:
            completions: Strings or message lists.
            columns: Used are `completion_ids` and `truncated`; all others are ignored.

        Returns:
            One finite number per completion.
        """
        texts = to_completions(completions, columns.get("completion_ids"), columns.get("truncated"))
        return [float(self.function(text)) for text in texts]


@dataclass(frozen=True)
class FormatReward:
    """1 for one `<think>…</think>` followed by one `<answer>…</answer>` and nothing else, else 0.

    Where a row's task is known, from `task` or from a `task` column, the answer must also follow
    that task's schema: one box, one whole number, one expression.

    Args:
        task: Task whose answer schema every row must follow; None leaves it to the `task` column,
            and to the structure alone where there is no such column.
        protocol: Whose rules, as in `TaskReward`.
        name: Name that logs show.

    Example:
        >>> format_reward = FormatReward()
        >>> format_reward(["<think>one, two</think><answer>2</answer>", "2"])
        [1.0, 0.0]
        >>> format_reward(["<think>one, two</think><answer>2</answer>"], task=["no-such-task"])
        Traceback (most recent call last):
        ...
        vlreward.registry.UnknownNameError: unknown task 'no-such-task'...
    """

    task: str | None = None
    protocol: str = "strict"
    name: str = "format_reward"

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Reward each completion; `task` is the only column used."""
        texts = to_texts(completions)
        tasks = columns.get("task") or [self.task] * len(texts)
        if len(tasks) != len(texts):
            raise ValueError(f"expected {len(texts)} values in column 'task', got {len(tasks)}")
        return [self._one(text, task) for text, task in zip(texts, tasks)]

    def _one(self, text: str, task: str | None) -> float:
        if task is None:
            return float(think_answer_structure(text))
        from vlreward.tasks import get_task

        spec = get_task(task, protocol=self.protocol, method=None)
        completion = Completion(text)
        return _format_term(spec).function(completion, parse(spec, completion))


def _format_term(spec: TaskSpec) -> TextTerm:
    for term in spec.terms:
        if term.name == "format" and isinstance(term, TextTerm):
            return term
    raise ValueError(f"task {spec.name!r} has no term 'format'")


def _tokens(completion: Completion) -> int:
    if completion.token_count is None:
        raise ValueError(
            "this reward needs the length in tokens: pass completion_ids, as TRL's trainers do"
        )
    return completion.token_count


def _tag_count(completion: Completion) -> float:
    return tag_count(completion.text)


def _repetition(completion: Completion, *, n: int) -> float:
    return -repetition(completion.text, n=n)


def _length(completion: Completion, *, max_length: int, short: float, long: float) -> float:
    return cosine_length(_tokens(completion), max_length, short=short, long=long)


def _soft_overlong(completion: Completion, *, max_length: int, margin: int) -> float:
    return soft_overlong(_tokens(completion), max_length, margin)


tag_count_reward = TextReward("tag_count_reward", _tag_count)
"""0.25 for each of the four think and answer tags that occurs exactly once; in [0, 1]."""

repetition_reward = TextReward("repetition_reward", partial(_repetition, n=3))
"""Minus the share of 3-grams that repeat an earlier one; in (-1, 0]."""


def length_reward(max_length: int, *, short: float = 1.0, long: float = 0.5) -> TextReward:
    """A reward that goes from `short` to `long` along half a cosine as the completion grows.

    Args:
        max_length: Length in tokens from which on the reward is `long`, positive.
        short: Reward at length 0.
        long: Reward at `max_length` and beyond.
    """
    function = partial(_length, max_length=max_length, short=short, long=long)
    return TextReward("length_reward", function)


def soft_overlong_reward(max_length: int, margin: int) -> TextReward:
    """DAPO's soft overlong punishment: 0 up to `max_length - margin`, then falling to -1.

    Args:
        max_length: Largest expected length in tokens, positive.
        margin: Width in tokens of the fall, positive and at most `max_length`.

    Source: Yu et al. 2025, DAPO, arXiv 2503.14476, equation 13.
    """
    function = partial(_soft_overlong, max_length=max_length, margin=margin)
    return TextReward("soft_overlong_reward", function)
