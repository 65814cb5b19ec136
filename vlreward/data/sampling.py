"""Subsets of data sets, chosen as the original evaluation and training scripts choose them.

The evaluation scripts of VLM-R1 and PaddleMIX seed Python's generator, shuffle all rows and take
the first N. `Sampler` does the same with a generator of its own, so the same seed gives the same
rows in the same order, and the first 500 of a subset of 2,000 are the subset of 500.

PaddleMIX seeds once, before its first data set; so the subset of its second data set depends on
the number of rows of the first. That is `sampling="chained"`. The default seeds anew for each data
set: a subset is then the same whichever data sets are evaluated before it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Literal

from vlreward.data.dataset import Dataset

__all__ = ["Sampler", "Strategy"]

_Kind = Literal["all", "first", "end", "random"]

_STRATEGY = re.compile(r"(?:(first|end|random):)?(\d{1,18})(?:(\.\d{1,9})?(%))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Strategy:
    """Which rows of a data set to take."""

    kind: _Kind
    """`random` shuffles and takes the first."""
    amount: Decimal | None = None
    """Number of rows or percentage, above 0; None for all."""
    percent: bool = False
    """Whether `amount` is a percentage."""

    @classmethod
    def parse(cls, text: str) -> Strategy:
        """Read `all`, `first:N`, `end:N`, `random:N`, or one of these with `N%`.

        A bare `N%` is `random:N%`. More rows than there are means all of them.

        Raises:
            ValueError: If the text is none of these.

        Example:
            >>> Strategy.parse("random:10%").count(1005)
            101
        """
        if text == "all":
            return cls("all")
        match = _STRATEGY.match(text)
        if match is None or not (match[1] or match[4]):
            raise ValueError(
                "expected a sampling strategy all, first:N, end:N, random:N, N% or one of them "
                f"with N%, got {text!r}"
            )
        percent = bool(match[4])
        amount = Decimal(match[2] + (match[3] or ""))
        if amount <= 0 or (percent and amount > 100):
            raise ValueError(
                f"expected {'0 < N <= 100 percent' if percent else 'N of 1 or more'}, got {text!r}"
            )
        kinds: dict[str | None, _Kind] = {"first": "first", "end": "end"}
        return cls(kinds.get(match[1], "random"), amount, percent)

    def count(self, rows: int) -> int:
        """Number of rows taken of `rows`; a percentage is rounded up."""
        if self.amount is None:
            return rows
        wanted = ceil(self.amount * rows / 100) if self.percent else int(self.amount)
        return min(rows, wanted)

    def __str__(self) -> str:
        if self.amount is None:
            return self.kind
        return f"{self.kind}:{self.amount}{'%' if self.percent else ''}"


class Sampler:
    """Chooses subsets; use one for all data sets of a run, in their order.

    Args:
        sampling: `per-dataset` seeds anew for each data set, `chained` seeds once.

    Example:
        >>> Sampler(seed=42).order(5)
        [3, 1, 2, 4, 0]
    """

    def __init__(
        self, seed: int = 42, sampling: Literal["per-dataset", "chained"] = "per-dataset"
    ) -> None:
        if sampling not in ("per-dataset", "chained"):
            raise ValueError(f"expected sampling 'per-dataset' or 'chained', got {sampling!r}")
        self.seed = seed
        self.sampling = sampling
        self._random = random.Random(seed)
        self._shuffled: list[int] = []

    def order(self, rows: int) -> list[int]:
        """The positions 0..rows-1, shuffled; in a chained run this moves the generator on."""
        if self.sampling == "per-dataset":
            self._random.seed(self.seed)
            self._shuffled.clear()
        order = list(range(rows))
        self._random.shuffle(order)
        self._shuffled.append(rows)
        return order

    def sample(self, dataset: Dataset, number: int | None) -> Dataset:
        """The first `number` rows of the shuffled data set: `--sample-num`.

        The rows of the whole file are shuffled, also those that were skipped when it was loaded:
        a skipped row is missing from the subset, and no other takes its place.

        Args:
            number: Number of rows. None or more than there are gives the data set as it is; a
                chained run moves on all the same, as the original does.

        Raises:
            ValueError: If `number` is less than 1.
        """
        if number is not None and number < 1:
            raise ValueError(f"expected a number of samples of 1 or more, got {number!r}")
        rows = _rows(dataset)
        if number is None or number >= rows:
            if self.sampling == "chained":
                self.order(rows)
            return dataset
        return self.take(dataset, Strategy("random", Decimal(number)))

    def take(self, dataset: Dataset, strategy: Strategy) -> Dataset:
        """The rows that a strategy chooses.

        The label in the name of the subset tells subsets apart: `[500@42]` for 500 random rows of
        seed 42, `[500@42 after 10834]` if a data set of 10,834 rows was shuffled before in a
        chained run, `[first:500]`, `[end:10%]`.
        """
        rows = _rows(dataset)
        count = strategy.count(rows)
        if strategy.kind == "random":
            before = () if self.sampling == "per-dataset" else tuple(self._shuffled)
            chosen = self.order(rows)[:count]
            after = f" after {','.join(map(str, before))}" if before else ""
            percent = f"{strategy.amount}%" if strategy.percent else str(count)
            label = f"{percent}@{self.seed}{after}"
        else:
            chosen = list(range(rows))
            chosen = chosen[rows - count :] if strategy.kind == "end" else chosen[:count]
            label = str(strategy)
        if count == rows and strategy.kind != "random":
            return dataset
        if dataset.provenance.sampling is None:
            position = {number - 1: index for index, number in enumerate(dataset.row_numbers)}
            chosen = [position[row] for row in chosen if row in position]
        return dataset.select(chosen, label)


def _rows(dataset: Dataset) -> int:
    """Rows to shuffle: those of the whole file, or of the subset if it is one already."""
    origin = dataset.provenance
    return origin.rows if origin.sampling is None else len(dataset)
