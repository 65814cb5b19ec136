"""The page of command lines, from the programs themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer.main

from vlreward.bench.cli import app as bench
from vlreward.cli import app as vlreward

INTRO = """# Command lines

Made from the programs: what `--help` says. Exit codes are [a page of their own](exit-codes.md). The
trainers `vlreward-train-trl` and `vlreward-train-paddle` take the options below and every option
of their framework's own configuration; `--help` of each lists them.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRO]
    for name, app in (("vlreward", vlreward), ("vlreward-bench", bench)):
        parts += described(name, typer.main.get_command(app), 2)
    return "\n".join(parts)


def described(name: str, command: Any, level: int) -> Iterator[str]:
    """A command with its options, then its subcommands."""
    yield f"{'#' * level} `{name}`\n"
    yield paragraphs(command.help or "") + "\n"
    rows = [row(option) for option in command.params if not getattr(option, "hidden", False)]
    if rows:
        yield "| | takes | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    for sub, inner in sorted(getattr(command, "commands", {}).items()):
        yield from described(f"{name} {sub}", inner, min(level + 1, 4))


def row(option: Any) -> str:
    """One option or argument of a table."""
    names = ", ".join(f"`{each}`{{.whole}}" for each in (*option.opts, *option.secondary_opts))
    if option.param_type_name == "argument":
        names = f"`{(option.metavar or option.name).upper()}`"
    kind = "" if getattr(option, "is_flag", False) else kind_of(option.type_descriptor.annotation)
    text = escaped(getattr(option, "help", None) or "")
    default = option.default
    if isinstance(default, (str, int, float)) and not isinstance(default, bool):
        text += f" Default: `{default}`."
    return f"| {names} | {kind} | {text} |"


def kind_of(annotation: Any) -> str:
    """What an option takes: its choices, or the name of a type."""
    if isinstance(annotation, type):
        values = [c.value for c in annotation] if issubclass(annotation, Enum) else []
        return " ".join(f"`{value}`" for value in values) or annotation.__name__.lower()
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Literal:
        return " ".join(f"`{value}`" for value in inner)
    return " ".join(kind_of(part) for part in inner)


def escaped(text: str) -> str:
    """Text for one cell: names of options as code, no character that Markdown would take."""
    text = " ".join(inspect.cleandoc(text).split()).replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text)


def paragraphs(text: str) -> str:
    """Help text as paragraphs."""
    text = re.sub(r"\[/?(?:bold|dim)\]", "", text.replace("\b", ""))
    parts = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(escaped(part) for part in parts)
