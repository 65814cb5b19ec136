"""The processes of one run, as torchrun or `accelerate launch` started them."""

from __future__ import annotations

import datetime
import os
from typing import Any

from vlreward.engines.values import EngineError

__all__ = ["World"]

_PATIENCE = datetime.timedelta(days=30)
"""One process may wait for another that has the longer answers; a dead one ends all anyway."""


class World:
    """This process's place among those that share a run.

    Reads the variables that launchers set (WORLD_SIZE, RANK, LOCAL_RANK). The processes talk over
    gloo on the CPU, and only to wait for each other and to exchange small objects.

    Raises:
        EngineError: If the variables contradict each other.
    """

    def __init__(self) -> None:
        self.size = _number("WORLD_SIZE", 1)
        self.rank = _number("RANK", 0)
        self.local_rank = _number("LOCAL_RANK", self.rank)
        self._group: Any = None
        self._started = False
        if self.size == 1:
            self.rank = 0
            return
        if not 0 <= self.rank < self.size:
            raise EngineError(
                f"expected RANK from 0 to {self.size - 1}, got {self.rank}: start the processes "
                "by torchrun or accelerate launch"
            )
        import torch.distributed as dist

        if dist.is_initialized():
            self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)
        else:
            dist.init_process_group("gloo", timeout=_PATIENCE)
            self._started = True

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank; waits until all have arrived here."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def close(self) -> None:
        """Leave the process group if it was made here."""
        if self._started:
            import torch.distributed as dist

            self._started = False
            dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise EngineError(f"expected a whole number in the variable {name}, got {text!r}") from None
