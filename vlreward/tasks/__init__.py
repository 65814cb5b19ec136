"""The tasks, one module each: golds, prompts, parser, judge, terms, metrics, and what is drawn.

`strict` is this project's protocol: the answer inside the last closed `<answer>`, one answer,
continuous scores. The others reproduce published code bit for bit, so that published and recorded
numbers can be compared with; they stand beside their tasks. A result always names its protocol.

Tasks are found by entry points of the group `vlreward.tasks`, those of this package and those of
plug-ins alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from vlreward.registry import Registry, unknown_name
from vlreward.task import Method, TaskSpec
from vlreward.types import Gold, OtherGold

__all__ = ["TASKS", "every_task", "get_task", "gold_class"]

TASKS: Registry[TaskSpec] = Registry("task", group="vlreward.tasks")
"""All tasks by name, each under the strict protocol with its `variants`."""


def every_task() -> Iterator[TaskSpec]:
    """Every task under each of its protocols and methods."""
    for name in TASKS:
        task = TASKS.get(name)
        yield task
        yield from task.variants


def get_task(name: str, *, protocol: str = "strict", method: Method | None = "r1") -> TaskSpec:
    """A task under a protocol.

    Args:
        name: Name of a registered task.
        protocol: `strict`, or whose published rules to follow, e.g. `vlm-r1`.
        method: `r1` for answers inside the answer tag, `baseline` for answers anywhere in the
            text, `train` for the reward of a published trainer; None for what trainers want, `r1`
            under the strict protocol and `train` under others.

    Raises:
        UnknownNameError: If there is no such task, or the task has no such protocol or method;
            names those that there are.
    """
    task = TASKS.get(name)
    if method is None:
        method = "r1" if protocol == "strict" else "train"
    known: dict[str, dict[str, TaskSpec]] = {}
    for spec in (task, *task.variants):
        known.setdefault(spec.protocol, {})[spec.method] = spec
    if protocol not in known:
        raise unknown_name(f"protocol of task {name!r}", protocol, known)
    if method not in known[protocol]:
        kind = f"method of task {name!r} under protocol {protocol!r}"
        raise unknown_name(kind, method, known[protocol])
    return known[protocol][method]


def gold_class(task: str) -> type[Gold]:
    """The class of a task's golds; `OtherGold` for a name that is not registered, which may be
    that of a `TaskSpec` that is used without registration."""
    return TASKS.get(task).gold if task in TASKS else OtherGold
