"""`vlreward-train-trl`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from vlreward.training import cli
from vlreward.training.preparing import Run
from vlreward_trl.options import OwnOptions

__all__ = ["main"]


class _TRL(cli.Backend):
    extra = "trl"
    packages = ("torch", "transformers", "trl")
    prog = "vlreward-train-trl"
    model = "MODEL"
    own_options = (OwnOptions,)

    def prepare(self, argv: Sequence[str]) -> Run:
        from vlreward_trl.arguments import parse
        from vlreward_trl.preparing import prepare

        return prepare(parse(argv))

    def describe(self, run: Run) -> str:
        from vlreward_trl.dry_run import describe

        return describe(run)

    def train(self, run: Run) -> Any:
        from transformers.utils import logging

        from vlreward_trl.training import train

        # TRL calls it so with every transformers 5; nobody who trains can do anything about it.
        message = r".*gradient_checkpointing.* is deprecated and will be removed in v6"
        warnings.filterwarnings("ignore", message, FutureWarning)
        if run.rank == 0:
            print(_where(run.options.training), file=sys.stderr)
        if run.rank or not sys.stderr.isatty():
            logging.disable_progress_bar()
        return train(run)


def _where(training: Any) -> str:
    """On what a run is trained; a launcher that started one process for many GPUs says nothing."""
    from torch.cuda import device_count

    processes, seen = training.world_size, device_count()
    if training.use_cpu:
        return f"torch sees no GPU: training on the CPU, in {processes} process(es)"
    if processes == 1 < seen:
        return (
            f"training in one process, whose work goes from one of {seen} GPUs to the next: to "
            f"have them work at once, accelerate launch --num_processes {seen} -m vlreward_trl ..."
        )
    return f"training in {processes} process(es), each with a GPU"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `vlreward.training.cli.main`."""
    cli.main(_TRL(), argv)
