"""Training rows as a `datasets.Dataset`, made when they are taken."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from vlreward.training.columns import COLUMNS, Rows

if TYPE_CHECKING:
    import datasets

__all__ = ["as_table", "ending_with_parent"]

_WAITS = hasattr(signal, "sigtimedwait")  # as on Linux


def as_table(rows: Rows) -> datasets.Dataset:
    """Rows as TRL wants them: a table of their numbers, which become rows when they are taken."""
    import datasets

    table = datasets.Dataset.from_dict({"index": range(len(rows))})
    table.set_transform(_Taken(rows))
    return table


@dataclass(frozen=True)
class _Taken:
    rows: Rows

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """A batch of a trainer holds each row as often as completions are generated for it; they
        share one image."""
        made = {index: self.rows[index] for index in dict.fromkeys(batch["index"])}
        return {name: [made[index][name] for index in batch["index"]] for name in COLUMNS}


def ending_with_parent(begin: Callable[[int], None] | None) -> Callable[[int], None]:
    """What a worker of torch's `DataLoader` begins with, so that it does not outlive its parent.

    A worker whose parent was killed waits for ever to hand over its last batch, where that is
    larger than a pipe, and keeps memory and the output of the run open.

    Args:
        begin: What else it begins with, given the worker's number.
    """
    return partial(_begin, begin)


def _begin(begin: Callable[[int], None] | None, worker: int) -> None:
    # Launchers send it to all processes, and a run that ends with a checkpoint needs its workers:
    # their parent alone may end one, which may wait for its image for ever.
    if _WAITS:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(worker)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    while os.getppid() == parent.pid:
        if not _WAITS:
            time.sleep(1)
        elif (told := signal.sigtimedwait({signal.SIGTERM}, 1)) and told.si_pid == parent.pid:
            break
    os._exit(0)  # torch raises in the parent where a worker fails
