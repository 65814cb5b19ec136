"""Training rows as a `datasets.Dataset`, made when they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.data import Dataset
from vlreward.training.checks import check_rows
from vlreward.training.columns import COLUMNS, Columns
from vlreward.types import Sample

if TYPE_CHECKING:
    import datasets

__all__ = ["train_dataset"]


def train_dataset(dataset: Dataset, columns: Columns) -> datasets.Dataset:
    """A data set as TRL wants it: rows are made by `columns` when they are taken.

    What it holds is text alone: 100,000 rows cost what their paths, questions and golds cost.

    Args:
        dataset: Samples; each must have an image.
        columns: How rows are made.

    Raises:
        DataError: If a sample has no image, or a prompt cannot be rendered for it; lists the
            first ten rows and the count.
    """
    import datasets

    check_rows(dataset, columns)
    table: dict[str, list[Any]] = {
        "record": [sample.model_dump_json(exclude_none=True) for sample in dataset],
        "row": list(dataset.row_numbers),
    }
    rows = datasets.Dataset.from_dict(table)
    rows.set_transform(_Transform(columns))
    return rows


@dataclass(frozen=True)
class _Transform:
    """Turns rows with `record` and `row` into columns."""

    columns: Columns

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """A batch of a trainer holds each row as often as completions are generated for it; equal
        rows share one image."""
        made: dict[str, dict[str, Any]] = {}
        rows = []
        for record, number in zip(batch["record"], batch["row"], strict=True):
            if record not in made:
                made[record] = self.columns.row(Sample.model_validate_json(record), number)
            rows.append(made[record])
        return {name: [row[name] for row in rows] for name in COLUMNS}
