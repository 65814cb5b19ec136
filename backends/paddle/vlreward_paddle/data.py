"""Training rows, made when their turn has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from vlreward.data import Dataset
from vlreward.training.checks import check_rows
from vlreward.training.columns import Columns

__all__ = ["Rows"]


class Rows(Sequence[dict[str, Any]]):
    """The rows of a data set with the columns of `vlreward.training.columns`: `prompt`, `image`,
    `id`, `task`, `solution`, `image_size`, `input_size`, `frame`.

    An image is opened, turned upright and resized when its row is asked for.

    Args:
        dataset: Samples; each must have an image.
        columns: How rows are made.

    Raises:
        DataError: If a sample has no image, or a prompt cannot be rendered for it; lists the
            first ten rows and the count.
    """

    def __init__(self, dataset: Dataset, columns: Columns) -> None:
        check_rows(dataset, columns)
        self.dataset = dataset
        self.columns = columns

    def __len__(self) -> int:
        return len(self.dataset)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return self.columns.row(self.dataset[index], self.dataset.row_numbers[index])
