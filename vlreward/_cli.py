"""What the console commands share: options, a default subcommand, errors in one line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from vlreward.frames import FAMILIES, Frame
from vlreward.registry import UnknownNameError

__all__ = ["DefaultGroup", "Family", "FrameOption", "fail_in_one_line"]

P = ParamSpec("P")
R = TypeVar("R")

FrameOption = Annotated[
    Frame | None,
    typer.Option(
        help="Coordinate frame of predicted boxes. Declared, never guessed; default: as the rows "
        "or the model family say, else original_px."
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        help=f"Model family, for the frame and the resized size: {', '.join(FAMILIES)}, or any "
        "model name that contains one."
    ),
]


class DefaultGroup(TyperGroup):
    """Runs the command `run` where the first word is no command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put `run` before words that name no command."""
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options of `run` stand first."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def fail_in_one_line(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that a user can mend into one line on standard error and an exit code.

    1 for an unmet expectation; 2 for bad input, unknown names and missing extras; 3 where an
    engine failed; 130 for an interrupt. Everything else is a bug and shows its traceback.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from vlreward.bench.command import ExpectationError
        from vlreward.bench.runner import TooManyFailuresError
        from vlreward.bench.runs import LockedError, RunFileError, RunMismatchError
        from vlreward.data.errors import DataError
        from vlreward.engines.base import EngineError
        from vlreward.report.errors import ReportError

        exit_codes: dict[int, tuple[type[BaseException], ...]] = {
            1: (ExpectationError,),
            2: (
                DataError,
                FileNotFoundError,
                ImportError,
                LockedError,
                ReportError,
                RunFileError,
                RunMismatchError,
                UnknownNameError,
            ),
            3: (EngineError, TooManyFailuresError),
            130: (KeyboardInterrupt,),
        }
        try:
            return command(*args, **kwargs)
        except BaseException as error:
            for code, kinds in exit_codes.items():
                if isinstance(error, kinds):
                    typer.echo("error: " + " ".join(str(error).split()), err=True)
                    raise typer.Exit(code) from error
            raise

    return wrapped
