"""`vlreward-train-paddle`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from vlreward.errors import UserError
from vlreward.training import cli
from vlreward.training.preparing import Run
from vlreward_paddle.entry import quiet_imports, use_avx2
from vlreward_paddle.lora import AdapterOptions

__all__ = ["end_on_error", "main"]


class _Paddle(cli.Backend):
    extra = "paddle"
    packages = ("paddle", "paddleformers")
    prog = "vlreward-train-paddle"
    model = "DIR"
    own_options = (AdapterOptions,)
    more_help = ("--self-test: check what this machine computes; see --self-test --help",)

    def prepare(self, argv: Sequence[str]) -> Run:
        with quiet_imports():
            import vlreward_paddle.shim  # noqa: F401
        if {"--self-test", "--self_test"} & set(argv):
            from vlreward_paddle.self_test import main as self_test

            raise SystemExit(self_test(argv))
        from vlreward_paddle.arguments import parse
        from vlreward_paddle.preparing import prepare

        return prepare(parse(argv))

    def describe(self, run: Run) -> str:
        from vlreward_paddle.dry_run import describe

        return describe(run)

    def train(self, run: Run) -> Any:
        from vlreward_paddle.training import train

        with end_on_error():
            return train(run)

    def leave(self, code: int) -> NoReturn:
        if _alone():
            raise SystemExit(code)
        _end(code)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `vlreward.training.cli.main`."""
    use_avx2()
    cli.main(_Paddle(), argv)


@contextmanager
def end_on_error() -> Iterator[None]:
    """Show the traceback of what is raised inside, and end the process.

    The launcher then ends the other processes. Without this, the failing one would first wait in
    its clean-up for the others, which wait for it. A process alone raises as usual.
    """
    try:
        yield
    except Exception as error:
        if _alone() or isinstance(error, UserError):
            raise
        traceback.print_exc()
        rank = os.environ.get("PADDLE_TRAINER_ID", "?")
        print(
            f"process {rank} failed: where this is for want of another's answer, the cause is in "
            "that one's workerlog.N, of which the launcher shows the first alone",
            file=sys.stderr,
        )
        _end(1)


def _alone() -> bool:
    return os.environ.get("PADDLE_TRAINERS_NUM", "1") == "1"


def _end(code: int) -> NoReturn:
    """Exit without clean-up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
