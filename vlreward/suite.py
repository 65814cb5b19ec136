"""The benchmark suites: which data, which task, which published numbers stand beside yours."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import EntryPoint

from pydantic import BaseModel, ConfigDict, Field

from vlreward.registry import Registry, unknown_name

__all__ = ["SUITES", "Reference", "Suite", "get_suite"]


class Reference(BaseModel):
    """A published accuracy, for comparison by eye; protocols differ, so read `source`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Model, as its publisher names it."""
    acc: float = Field(ge=0, le=1)
    """Accuracy as a fraction."""
    n: int | None = None
    """Number of samples; None for the whole split."""
    source: str
    """Who published it, and by which rules."""


class Suite(BaseModel):
    """One named evaluation set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name on the command line."""
    task: str
    """Task whose rules score it."""
    also: tuple[str, ...] = ()
    """Further tasks that rows may belong to, each scored by its own rules."""
    description: str
    """One line for `vlreward-bench list`."""
    file: str | None = None
    """Data file (or directory) under the data root or up to two directories below it; None for
    suites that are generated, empty for rows that an option names."""
    split: str | None = None
    """Split to take, where the data has several."""
    images: str | None = None
    """Directory of the images under the data root; None for the data root itself."""
    fetch: str | None = None
    """What `vlreward data fetch` calls the data; None for the name of the task."""
    n: int | None = None
    """Number of samples in the standard split, where known."""
    prompts: dict[str, str]
    """Prompt preset by method; that of rows of a further task by `METHOD TASK`."""
    references: tuple[Reference, ...] = ()
    """Published numbers."""


class _Suites(Registry[Suite]):
    """Suites by their own names: an entry point gives one or a tuple of them."""

    @cached_property
    def _unread(self) -> list[EntryPoint]:
        return list(self._entries.values())

    def names(self) -> list[str]:
        """All names; loads the plug-ins."""
        while self._unread:
            entry = self._unread.pop(0)
            item: Suite | tuple[Suite, ...] = self._load(entry)
            for suite in (item,) if isinstance(item, Suite) else item:
                known = self._items.setdefault(suite.name, suite)
                if known != suite:
                    raise ValueError(
                        f"suite {suite.name!r} of {entry.value!r} is registered already, as "
                        f"{known!r:.200}; choose another name"
                    )
        return list(self._items)

    def get(self, name: str) -> Suite:
        """The suite called `name`."""
        if name not in self.names():
            raise unknown_name(self.kind, name, self._items)
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names()


SUITES: Registry[Suite] = _Suites("suite", group="vlreward.suites")
"""All suites by name."""


def get_suite(name: str) -> Suite:
    """The suite called `name`; the name of a task stands for rows of one's own.

    Raises:
        UnknownNameError: If there is none; names near matches, all suites and tasks.
    """
    from vlreward.tasks import TASKS

    if name in SUITES:
        return SUITES.get(name)
    if name not in TASKS:
        raise unknown_name("suite", name, [*SUITES, *TASKS])
    return Suite(name=name, task=name, description="Rows of your own", file="", prompts={})
