"""The command line of both backends: prepare a run, then say what it would do, or do it."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from vlreward import __version__
from vlreward.errors import UserError
from vlreward.training.parsing import in_options, short_help

if TYPE_CHECKING:
    from vlreward.training.preparing import Run

__all__ = ["Backend", "main", "opening"]

_GOES_ON = "interrupted: the same command goes on from the last checkpoint, if there is one"
_FIRST_SPEAKS = 5.0
"""Seconds that other processes leave the first one for its message."""


class Backend(ABC):
    """What a backend gives to its command line. Its methods import what it needs, and only they."""

    extra: ClassVar[str]
    """The extra that installs it."""
    packages: ClassVar[tuple[str, ...]]
    """Packages that it needs."""
    prog: ClassVar[str]
    """Name of the command."""
    model: ClassVar[str]
    """What it takes as a model, in its usage."""
    own_options: ClassVar[tuple[type, ...]] = ()
    """Data classes of options that its help shows besides those of all backends."""
    more_help: ClassVar[tuple[str, ...]] = ()
    """Further lines of `--help`."""

    @abstractmethod
    def prepare(self, argv: Sequence[str]) -> Run:
        """Parse a command line, load the data, and check both."""

    @abstractmethod
    def describe(self, run: Run) -> str:
        """What a run would do."""

    @abstractmethod
    def train(self, run: Run) -> Any:
        """Train."""

    def leave(self, code: int) -> NoReturn:
        """End this process."""
        raise SystemExit(code)


def main(backend: Backend, argv: Sequence[str] | None = None) -> None:
    """Run a command line.

    Errors that a user can mend end in one message and their exit code; anything else is a bug, or
    a failure of the training itself, and shows its traceback.
    """
    given = sys.argv[1:] if argv is None else argv
    if list(given) == ["--version"]:
        print(f"vlreward {__version__}")
        return
    try:
        for name in backend.packages:
            if find_spec(name) is None:
                raise UserError(
                    f"this backend needs {name!r}, which is not installed: "
                    f"pip install 'vlreward[{backend.extra}]'"
                )
        if {"-h", "--help"} & set(given) and "--self-test" not in given:
            options = short_help(backend.prog, backend.model, backend.own_options)
            print(options, *backend.more_help, sep="\n")
            return
        run = _prepared(backend, given)
        if not run.options.arguments.dry_run:
            if run.rank == 0:
                print(opening(run), file=sys.stderr, flush=True)
            backend.train(run)
        elif run.rank == 0:
            print(backend.describe(run))
    except (UserError, KeyboardInterrupt) as error:
        message, code = _GOES_ON, 130
        if isinstance(error, UserError):
            message, code = in_options(str(error)), error.exit_code
        if os.environ.get("LOCAL_RANK", os.environ.get("PADDLE_RANK_IN_NODE", "0")) != "0":
            # Nearly always the first process has the same to say, and the launcher then ends this.
            time.sleep(_FIRST_SPEAKS)
        print(f"error: {message}", file=sys.stderr, flush=True)
        backend.leave(code)


def opening(run: Run) -> str:
    """What a run says before it starts: its data, what is suspicious about them, its length, and
    where it begins."""
    from vlreward.training.dry_run import data_text

    return "\n".join([data_text(run.samples), run.schedule.text(), run.start.text()])


def _prepared(backend: Backend, argv: Sequence[str]) -> Run:
    try:
        return backend.prepare(argv)
    except FileNotFoundError as error:
        raise UserError(str(error)) from error
