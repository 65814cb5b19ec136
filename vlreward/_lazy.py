"""Names of a package that load their module when they are asked for, as PEP 562 has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: Its `__name__`.
        home: The module that each public name is in: relative, or from `vlreward.` on.
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        at = home[name]
        module = at if at.startswith("vlreward.") else f"{package}.{at}"
        value = getattr(import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
