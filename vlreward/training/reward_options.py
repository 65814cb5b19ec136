"""From options to rewards: terms and weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from vlreward.errors import OptionError
from vlreward.rewards import TaskReward
from vlreward.task import weight_of
from vlreward.tasks import get_task
from vlreward.training.arguments import Arguments
from vlreward.training.rewards import term_rewards

__all__ = ["task_rewards"]


def task_rewards(
    arguments: Arguments, tasks: list[str], reward_weights: Sequence[float] | None = None
) -> list[TaskReward]:
    """One reward for each task, with the terms and weights that were asked for.

    Args:
        arguments: The options.
        tasks: The tasks.
        reward_weights: The trainer's option of that name, so that dry run, traces and training have
            the same weights: one for each term of each task, in their order.

    Raises:
        OptionError: If `--terms` or `--weights` name another task, a weight is no number, there is
            another number of `--reward_weights`, or no task can do what `--clip` asks for.
        UnknownNameError: If a task, protocol or term is unknown.
    """
    terms: dict[str, list[str]] = {}
    for task, term in _pairs(arguments.terms or (), tasks, "--terms"):
        terms.setdefault(task, []).append(term)
    weights: dict[str, dict[str, float]] = {task: {} for task in tasks}
    named = [text.partition("=") for text in arguments.weights or ()]
    for (task, name), (_, _, value) in zip(
        _pairs([name for name, _, _ in named], tasks, "--weights"), named, strict=True
    ):
        weights[task][name] = weight_of(
            value, f"--weights: expected TERM=NUMBER, got {name + '=' + value!r}"
        )
    on_timeout: Literal["zero", "none"] = "none" if arguments.on_timeout == "none" else "zero"
    clips = {task: get_task(task, protocol=arguments.protocol).clips for task in tasks}
    if arguments.clip and not any(clips.values()):
        raise OptionError(
            f"--clip: expected a task whose answers can be clipped, got {', '.join(tasks)} under "
            f"the protocol {arguments.protocol!r}"
        )
    rewards = [
        TaskReward(
            task,
            terms=terms.get(task),
            weights=weights[task] or None,
            protocol=arguments.protocol,
            clip=arguments.clip and clips[task],
            on_timeout=on_timeout,
        )
        for task in tasks
    ]
    if reward_weights is None:
        return rewards
    if arguments.weights:
        raise OptionError(
            "--weights and --reward_weights both say what terms weigh: leave out one of them"
        )
    return _reweighted(rewards, reward_weights)


def _reweighted(rewards: list[TaskReward], weights: Sequence[float]) -> list[TaskReward]:
    names = [f.__name__ for f in term_rewards(rewards)]
    if len(weights) != len(names):
        raise OptionError(
            f"--reward_weights: expected {len(names)} numbers, for {', '.join(names)}; got "
            f"{weights!r}"
        )
    wrong = f"--reward_weights: expected finite numbers, got {weights!r}"
    left = (weight_of(weight, wrong) for weight in weights)
    return [
        replace(reward, weights={term.name: next(left) for term in reward.spec.terms})
        for reward in rewards
    ]


def _pairs(names: Iterable[str], tasks: list[str], option: str) -> list[tuple[str, str]]:
    """(task, term) of names such as `TASK.iou`, or `iou` where there is one task."""
    pairs = []
    for name in names:
        task, dot, term = name.rpartition(".")
        if not dot and len(tasks) == 1:
            task = tasks[0]
        if task not in tasks:
            raise OptionError(
                f"{option}: expected TASK.TERM with a task of the data, {', '.join(tasks)}; got "
                f"{name!r}"
            )
        pairs.append((task, term))
    return pairs
