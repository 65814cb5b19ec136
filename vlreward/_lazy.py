"""Names of a package that load their module when they are asked for, as PEP 562 has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """The `__all__`, `__getattr__` and `__dir__` of a package.

    Type checkers see the names by a star import of each module that only they run.

    Args:
        package: Its `__name__`.
        modules: The names that each module has, with spaces between them; a module is relative to
            the package, or named from `vlreward.` on.
    """
    home = {name: module for module, names in modules.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        at = home[name]
        module = at if at.startswith("vlreward.") else f"{package}.{at}"
        value = getattr(import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    return sorted(home), load, lambda: sorted({*vars(sys.modules[package]), *home})
