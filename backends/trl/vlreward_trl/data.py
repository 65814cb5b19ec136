"""Training rows as a `datasets.Dataset`, made when they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.training.columns import COLUMNS, Rows

if TYPE_CHECKING:
    import datasets

__all__ = ["as_table"]


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
