"""The options that say how rows are read, declared once for every command that reads them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from vlreward.command_line import ReadOptions, data_option

__all__ = ["RowOptions"]


@dataclass(frozen=True, kw_only=True)
class RowOptions(ReadOptions):
    """How rows are read whose task may be any; a command adds options of its own."""

    task: Annotated[
        str | None, data_option(help="Name of the task, where the data does not tell.")
    ] = None

    def reading(self) -> dict[str, Any]:
        """The options of `vlreward.data.load`.

        Raises:
            UnknownNameError: If there is no such task; lists those that there are.
        """
        from vlreward.tasks import TASKS

        if self.task is not None:
            TASKS.get(self.task)
        return {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(RowOptions)}
