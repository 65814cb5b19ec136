"""`vlreward-train-trl`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.training import cli
from vlreward.training.preparing import Run

__all__ = ["main"]


class _TRL(cli.Backend):
    extra = "trl"
    packages = ("torch", "transformers", "trl")

    def prepare(self, argv: Sequence[str]) -> Run:
        from vlreward_trl.arguments import parse
        from vlreward_trl.preparing import prepare

        return prepare(parse(argv))

    def describe(self, run: Run) -> str:
        from vlreward_trl.dry_run import describe

        return describe(run)

    def train(self, run: Run) -> Any:
        from vlreward_trl.training import train

        return train(run)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `vlreward.training.cli.main`."""
    cli.main(_TRL(), argv)
