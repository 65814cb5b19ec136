"""Reward classes for ms-swift, one for each configuration.

ms-swift logs a reward under the name of its class, so two configurations of one class would
collide: every registration makes a class of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from vlreward.integrations.scorer import COLUMNS, reward_under, scorer_for
from vlreward.integrations.settings import Settings
from vlreward.integrations.text import strip_end
from vlreward.rewards import REWARDS, FormatReward, TaskReward
from vlreward.rewards.inputs import to_texts

__all__ = ["make_class", "register", "register_all"]

Reward = Callable[..., Sequence["float | None"]]


def make_class(name: str, reward: Reward) -> type:
    """A class that ms-swift constructs as `Class(args=...)`, whose instances call `reward`.

    Args:
        name: Name of the class, and of the reward in logs.
        reward: Callable with the signature of `TaskReward`.

    Example:
        >>> from vlreward.rewards import count_reward
        >>> Counts = make_class("counts", count_reward)
        >>> Counts(args=None)(["<answer>3</answer>"], solution=["3"]), Counts.__name__
        ([1.0], 'counts')
    """

    def __init__(self: Any, args: Any = None, **_options: Any) -> None:
        self.args = args

    def __call__(self: Any, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        return _call(reward, completions, columns)

    return type(name, (), {"__init__": __init__, "__call__": __call__, "__doc__": reward.__doc__})


def _call(
    reward: Reward, completions: Sequence[Any], columns: dict[str, Any]
) -> list[float | None]:
    used = dict(columns)
    flags = used.get("is_truncated")
    if "truncated" not in used and flags is not None:
        used["truncated"] = [bool(flag) for flag in flags]
    return list(reward([strip_end(text) for text in to_texts(completions)], **used))


def register(name: str, task: str | None = None, **options: Any) -> type:
    """Register one reward with ms-swift, in its own process.

    Args:
        name: What `--reward_funcs` calls it, and the name in logs.
        task: Task of the reward; None for all tasks, each row by its gold envelope.
        options: What `TaskReward` takes (`terms`, `weights`, `frame`, `family` ...), or the fields
            of `Settings` where `task` is None.

    Returns:
        The class.

    Raises:
        ValueError: If the name is taken, or an option is bad.
        ImportError: If ms-swift is not installed.
    """
    if task is None:
        return _add(name, _AllTasks(Settings.from_environment().updated(options)))
    return _add(name, TaskReward(task, **options))


def register_all() -> list[type]:
    """Register `vlreward` and one reward for each of `vlreward.rewards`.

    Raises:
        ValueError: If the environment is bad.
        ImportError: If ms-swift is not installed.
    """
    settings = Settings.from_environment()
    classes = [_add("vlreward", _AllTasks(settings))]
    for name in REWARDS.names():
        reward: Reward | None = REWARDS.get(name)
        if isinstance(reward, TaskReward):  # other protocols have no such terms
            strict = settings.protocol == "strict"
            reward = reward_under(settings, reward.spec) if strict else None
        elif isinstance(reward, FormatReward):
            reward = FormatReward(protocol=settings.protocol)
        if reward is not None:
            classes.append(_add(f"vlreward_{name.removesuffix('_reward')}", reward))
    return classes


class _AllTasks:
    """All terms of each row's task."""

    def __init__(self, settings: Settings) -> None:
        self.scorer = scorer_for(settings)

    def __call__(
        self, completions: Sequence[Any], solution: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        if solution is None:
            raise ValueError(
                "expected a column 'solution' with the golds, got none; the columns are "
                f"{sorted(columns)}"
            )
        given = {name: columns.get(name) for name in (*COLUMNS, "image", "images")}
        scored = self.scorer.scores(completions, solution, tasks=columns.get("task"), **given)
        return [row.numbers["score"] for row in scored]


def _add(name: str, reward: Reward) -> type:
    orms = importlib.import_module("swift.rewards").orms
    made = make_class(name, reward)
    if name in orms and orms[name].__module__ != made.__module__:
        raise ValueError(f"ms-swift has a reward called {name!r} already: {orms[name]!r}")
    orms[name] = made
    return made
