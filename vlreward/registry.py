"""Named things that plug-ins can add: tasks, rewards, parsers, engines.

A plug-in package adds an item by the decorator form of `Registry.register`, or without being
imported first by an entry point in the registry's group, e.g. in its `pyproject.toml`:

    [project.entry-points."vlreward.tasks"]
    pointing = "my_package.tasks:pointing"
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Registry", "UnknownNameError", "unknown_name"]

T = TypeVar("T")


class UnknownNameError(KeyError):
    """A name that nothing is registered under; the message lists near matches and all names."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Generic[T]):
    """A mapping from names to items that refuses duplicates and helps with typing errors.

    Args:
        kind: What the items are, in the singular, for error messages, e.g. `"task"`.
        group: Entry-point group that plug-ins use, e.g. `"vlreward.tasks"`; loaded on the first
            look-up of a name that is not built in, or when the names are listed.

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
        self._entry_points_loaded = False

    def register(self, name: str, item: T) -> T:
        """Add `item` under `name` and return it.

        Raises:
            ValueError: If the name is empty, or taken by another item.
        """
        if not name or name != name.strip():
            raise ValueError(f"expected a non-empty name for a {self.kind}, got {name!r}")
        if name in self._items and self._items[name] is not item:
            raise ValueError(
                f"{self.kind} {name!r} is registered already, as {self._items[name]!r}; "
                "choose another name"
            )
        self._items[name] = item
        return item

    def decorator(self, name: str) -> Callable[[T], T]:
        """Register the decorated object under `name`."""

        def add(item: T) -> T:
            return self.register(name, item)

        return add

    def get(self, name: str) -> T:
        """The item called `name`.

        Raises:
            UnknownNameError: If there is none; names near matches and all known names.
        """
        if name not in self._items:
            self._load_entry_points()
        try:
            return self._items[name]
        except KeyError:
            raise unknown_name(self.kind, name, self._items) from None

    def names(self) -> list[str]:
        """All names, built-in ones first, plug-ins included."""
        self._load_entry_points()
        return list(self._items)

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        from importlib import metadata  # slow to import, and needed here alone

        for entry in metadata.entry_points(group=self.group):
            try:
                item = entry.load()
            except Exception as error:
                raise ImportError(
                    f"the {self.kind} {entry.name!r} of the plug-in {entry.value!r} (entry point "
                    f"{self.group!r}) failed to load: {error!r}; mend or uninstall the plug-in"
                ) from error
            self.register(entry.name, item)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among the known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}")
