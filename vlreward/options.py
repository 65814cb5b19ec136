"""Options declared once: the annotated fields of a dataclass are a command's options.

A field is declared by `Annotated[type, typer.Option(help=..., min=...)]`. From that come the
command line, its help and its checks, and the same checks for whoever builds the dataclass.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Callable
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from vlreward.errors import OptionError

__all__ = ["as_command", "check", "declared", "flag"]

T = TypeVar("T")


def declared(options: type) -> tuple[tuple[str, Any, Any], ...]:
    """Name, annotation and default of each field that is an option or an argument."""
    return _declared(options)


@functools.cache  # each `flag` asks, and hints take milliseconds
def _declared(options: type) -> tuple[tuple[str, Any, Any], ...]:
    hints = get_type_hints(options, include_extras=True)
    return tuple(
        (
            field.name,
            hints[field.name],
            inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(options)
        if any(
            isinstance(entry, (ArgumentInfo, OptionInfo))
            for entry in getattr(hints[field.name], "__metadata__", ())
        )
    )


def flag(options: type, name: str) -> str:
    """How the field `name` of the dataclass `options` is written on a command line."""
    for field, annotation, _ in declared(options):
        if field == name:
            given = get_args(annotation)[1].param_decls or ()
            return next((text for text in given if text.startswith("--")), _spelled(name))
    return _spelled(name)


def as_command(options: type[T], run: Callable[[T], object]) -> Callable[..., None]:
    """A function for `typer.Typer.command`: reads `options`, and calls `run` with them.

    Its help text is that of `run`.
    """

    def command(**given: Any) -> None:
        run(options(**given))

    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, annotation, default in declared(options)
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = run.__doc__
    return command


def check(options: Any) -> None:
    """Refuse values that the declaration of their field does not allow.

    Args:
        options: An instance of a dataclass with annotated fields.

    Raises:
        OptionError: If a number is out of its range or not finite, or a name is not among the
            choices; says which and what is allowed.
    """
    for name, annotation, _ in declared(type(options)):
        value = getattr(options, name)
        kind, info = get_args(annotation)[:2]
        problem = None if value is None else _problem(value, kind, info)
        if problem is not None:
            raise OptionError(f"{flag(type(options), name)}: expected {problem}, got {value!r}")


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")


def _problem(value: Any, kind: Any, info: Any) -> str | None:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not types.NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return None if value in choices else "one of " + ", ".join(map(str, choices))
    if kind not in (int, float):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, kind)) or not math.isfinite(value):
        return "a whole number" if kind is int else "a number"
    if info.min is not None and value < info.min:
        return f"at least {info.min:g}"
    if info.max is not None and value > info.max:
        return f"at most {info.max:g}"
    return None
