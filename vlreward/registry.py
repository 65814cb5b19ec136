"""Named things that plug-ins can add: tasks, suites, rewards, engines.

A plug-in package adds an item by `Registry.register`, or without being imported first by an entry
point in the registry's group, e.g. in its `pyproject.toml`:

    [project.entry-points."vlreward.tasks"]
    horizon = "my_package:HORIZON"
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from vlreward.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["PluginError", "Registry", "UnknownNameError", "unknown_name"]

T = TypeVar("T")


class UnknownNameError(UserError, KeyError):
    """A name that nothing is registered under; the message lists near matches and all names."""

    def __str__(self) -> str:
        return str(self.args[0])


class PluginError(UserError, ImportError):
    """A plug-in that cannot be loaded; the message names it and its entry point."""


class Registry(Generic[T]):
    """A mapping from names to items that refuses duplicates and helps with typing errors.

    Args:
        kind: What the items are, in the singular, for error messages, e.g. `"task"`.
        group: Entry-point group, e.g. `"vlreward.tasks"`. An entry is loaded when its name is
            looked up.

    Example:
        >>> colours = Registry[str]("colour", group="example.colours")
        >>> colours.register("red", "#ff0000")
        '#ff0000'
        >>> colours.get("rad")
        Traceback (most recent call last):
        ...
        vlreward.registry.UnknownNameError: unknown colour 'rad'; did you mean 'red'? Known: red
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, T] = {}

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        """The entry points of the group by name, this package's own first."""
        from importlib import metadata  # slow to import, and needed here alone

        found: dict[str, EntryPoint] = {}
        every = metadata.entry_points(group=self.group)
        for entry in sorted(every, key=_is_own, reverse=True):
            known = found.setdefault(entry.name, entry)
            if known.value != entry.value:
                raise ImportError(
                    f"the {self.kind} {entry.name!r} is offered twice, as {known.value!r} and as "
                    f"{entry.value!r} (entry points {self.group!r}); uninstall one of the two"
                )
        return found

    def register(self, name: str, item: T) -> T:
        """Add `item` under `name` and return it.

        Raises:
            ValueError: If the name is empty, or taken by another item.
        """
        if not name or name != name.strip():
            raise ValueError(f"expected a non-empty name for a {self.kind}, got {name!r}")
        if name in self and self.get(name) != item:
            raise ValueError(
                f"{self.kind} {name!r} is registered already, as {self.get(name)!r:.200}; "
                "choose another name"
            )
        return self._items.setdefault(name, item)

    def get(self, name: str) -> T:
        """The item called `name`; its plug-in is loaded now if it was not before.

        Raises:
            UnknownNameError: If there is none; names near matches and all known names.
            ImportError: If its plug-in cannot be loaded; names it.
        """
        if name not in self._items:
            if name not in self._entries:
                raise unknown_name(self.kind, name, self.names())
            self._items[name] = self._load(self._entries[name])
        return self._items[name]

    def names(self) -> list[str]:
        """All names, this package's own first, plug-ins included; loads none of them."""
        own = [name for name, entry in self._entries.items() if _is_own(entry)]
        return list(dict.fromkeys((*own, *self._items, *self._entries)))

    def __contains__(self, name: object) -> bool:
        return name in self._items or name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load(self, entry: EntryPoint) -> T:
        try:
            item: T = entry.load()
        except Exception as error:
            raise PluginError(
                f"the {self.kind} {entry.name!r} of the plug-in {entry.value!r} (entry point "
                f"{self.group!r}) failed to load: {error!r}; mend or uninstall the plug-in"
            ) from error
        return item


def _is_own(entry: EntryPoint) -> bool:
    return entry.value.startswith("vlreward.")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among the known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}")
