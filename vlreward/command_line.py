"""What the console commands share: options, a default subcommand, errors in one line."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from vlreward import __version__
from vlreward.answer_frames import AnswerFrames
from vlreward.errors import OptionError, UserError
from vlreward.frames import Frame

__all__ = [
    "BUG",
    "PROTOCOLS",
    "AnswerOptions",
    "AxisOrderOption",
    "Command",
    "DefaultGroup",
    "Family",
    "FrameOption",
    "GoldOptions",
    "Group",
    "MaxPixels",
    "MinPixels",
    "ReadOptions",
    "Version",
    "data_option",
    "fail_in_one_line",
]

BUG = 70
"""Exit code of what is no user's fault: a traceback was printed (EX_SOFTWARE of sysexits.h)."""

PROTOCOLS = "strict, or whose published rules: vlm-r1, r1-v, paddlemix, visual-rft."
"""Help of every `--protocol`."""

_UsageError: Any = typer.BadParameter.__base__  # typer has its own click since 0.26

FrameOption = Annotated[
    Frame | None,
    typer.Option(
        help="Coordinate frame of predicted boxes. Declared, never guessed; default: what recorded "
        "answers say, else the model family's, else original_px; a model that is asked must have "
        "a known family or this option."
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        help="Model family, for the frame, the order of the axes and the resized size: one that "
        "`vlreward families` lists, or any model name that contains one."
    ),
]
AxisOrderOption = Annotated[
    Literal["xy", "yx"] | None,
    typer.Option(
        help="Which coordinate of a pair the model writes first; default: what recorded answers "
        "say, else the model family's order, else x."
    ),
]
MinPixels = Annotated[
    int | None, typer.Option(help="Smallest image area in pixels, as the model sees it.", min=1)
]
MaxPixels = Annotated[
    int | None, typer.Option(help="Largest image area in pixels, as the model sees it.", min=1)
]


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """How answers write their coordinates."""

    frame: FrameOption = None
    axis_order: AxisOrderOption = None
    family: Family = None
    min_pixels: MinPixels = None
    max_pixels: MaxPixels = None

    @property
    def answer_frames(self) -> AnswerFrames:
        """What they declare.

        Raises:
            OptionError: If the family is not known, or does not resize by limits that are given.
        """
        from vlreward.engines.base import resolve_family

        family = resolve_family(self.family)
        return AnswerFrames.of_options(
            self.frame, self.axis_order, family, self.min_pixels, self.max_pixels
        )


data_option = functools.partial(typer.Option, rich_help_panel="Data")
"""An option that says how rows are read."""


@dataclass(frozen=True, kw_only=True)
class GoldOptions:
    """Where rows keep what, and how their golds are written."""

    columns: Annotated[
        str | None,
        data_option(
            help="What is read from which column, e.g. gold=answer,image=images,question=problem, "
            "of recorded completions also completion=KEY,id=KEY,correct=KEY; for rows of no known "
            "schema, whose message proposes it, or to change what one reads."
        ),
    ] = None
    gold_frame: Annotated[
        str | None,
        data_option(
            help="Frame of the golds' coordinates, e.g. norm1000; with :xywh, :cxcywh or :yxyx "
            "behind it for boxes that are not x1, y1, x2, y2. A frame in the row wins, or "
            "in its column, --columns gold_frame=COLUMN. Default: original_px."
        ),
    ] = None
    image_root: Annotated[
        Path | None,
        data_option(
            help="Directory that image names are relative to, also for sizes that rows lack."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ReadOptions(GoldOptions):
    """How rows are read, whoever reads them."""

    schema: Annotated[
        str | None, data_option(help="Schema of the rows, where the keys do not tell.")
    ] = None
    on_bad_gold: Annotated[
        Literal["error", "skip"], data_option(help="What to do about rows whose gold is none.")
    ] = "error"
    where: Annotated[
        list[str] | None,
        data_option(help="Condition that rows must fit, e.g. difficulty<0.8; may be given again."),
    ] = None
    flat_images: Annotated[
        bool, data_option("--flat-images", help="All images lie directly in --image-root.")
    ] = False
    allow_urls: Annotated[
        bool,
        data_option("--allow-urls", help="Download images that rows name by an http(s) address."),
    ] = False
    on_missing: Annotated[
        Literal["error", "skip"],
        data_option(help="What to do about rows without their image; skipped ones are counted."),
    ] = "error"
    on_bad_image: Annotated[
        Literal["error", "skip"],
        data_option(help="The same for images that are damaged, too large, or too narrow."),
    ] = "error"
    on_suspicious: Annotated[
        Literal["error", "keep"],
        data_option(
            help="What to do where more than 1 % of the golds look as if their frame were another "
            "one."
        ),
    ] = "error"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vlreward {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
]


@contextlib.contextmanager
def fail_in_one_line() -> Iterator[None]:
    """Turn errors that a user can mend into one line on standard error and an exit code.

    The code is the error's own, see `UserError`; 2 where the system or a missing package is in
    the way; 130 for an interrupt. Everything else is a bug: its traceback is shown, and the code
    is 70, since 1 means that a number is not as demanded.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BaseException as error:
        message, code = str(error), 2
        if isinstance(error, _UsageError):
            if type(error).__name__ == "NoArgsIsHelpError":
                raise
            message = error.format_message().replace(" Value error, ", " ")
            if error.ctx is not None:
                message += f" ({error.ctx.command_path} --help says more)"
        elif isinstance(error, UserError):
            code = error.exit_code
        elif isinstance(error, KeyboardInterrupt):
            message, code = message or "interrupted", 130
        elif BrokenPipeError in (type(error), type(error.__context__)):
            # The reader, e.g. `head`, has seen enough; rich turns that into SystemExit(1).
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        elif not isinstance(error, (ImportError, OSError)):
            if not isinstance(error, Exception):
                raise
            traceback.print_exc()
            raise typer.Exit(BUG) from error
        typer.echo("error: " + _joined(message), err=True)
        raise typer.Exit(code) from error


def _joined(message: str) -> str:
    """A message in one line; rows at fault, which stand indented, are told apart by semicolons."""
    return " ".join(re.sub(r"([^:,;.({\[\s])\n  (?=\S)", r"\1; ", message).split())


def _finite(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def checked(**options: Any) -> Any:
        for name, value in options.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise OptionError(f"--{name.replace('_', '-')}: expected a number, got {value!r}")
        return command(**options)

    return checked


class _OneLine:
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options."""
        with fail_in_one_line():
            return super().make_context(*args, **kwargs)  # type: ignore[misc]

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with fail_in_one_line():
            return super().invoke(ctx)  # type: ignore[misc]


class Command(_OneLine, TyperCommand):
    """A command that fails in one line."""


@functools.cache
def _version_option() -> Any:
    """`--version` for commands whose functions do not ask for it."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def shown(version: Version = False) -> None:
        pass

    option = next(p for p in typer.main.get_command(app).params if p.name == "version")
    option.expose_value = False
    return option


class Group(_OneLine, TyperGroup):
    """Commands that fail in one line, say their version, and take no number that is none (NaN,
    infinity)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for command in self.commands.values():
            if not isinstance(command, TyperGroup) and command.callback is not None:
                command.callback = _finite(command.callback)
            if not any(param.name == "version" for param in command.params):
                command.params.append(_version_option())


class DefaultGroup(Group):
    """Runs the command `run` where the first word is no command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put `run` before words that name no command."""
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options of `run` stand first."""
        own = (*ctx.help_option_names, "--version")
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)
