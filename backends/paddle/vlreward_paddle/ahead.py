"""Rows that are made while something else computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["Ahead"]


class Ahead:
    """Makes items by number in threads, the next ones before they are asked for.

    Args:
        make: Makes an item of its number; called by several threads at once.
        threads: How many.
    """

    def __init__(self, make: Callable[[int], Any], threads: int) -> None:
        self.make = make
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="rows")
        self.begun: dict[int, Future[Any]] = {}

    def take(self, numbers: Sequence[int], following: Iterable[int] = ()) -> list[Any]:
        """The items of `numbers`, one object for a number however often it comes.

        Args:
            numbers: What is needed now.
            following: What will be needed next; begun when this call has its own items.

        Raises:
            Exception: Whatever making an item raised, now that it is needed.
        """
        found = self._begin(numbers)
        items = {number: future.result() for number, future in found.items()}
        self.begun = self._begin(following)
        return [items[number] for number in numbers]

    def _begin(self, numbers: Iterable[int]) -> dict[int, Future[Any]]:
        return {
            number: self.begun.get(number) or self.pool.submit(self.make, number)
            for number in dict.fromkeys(numbers)
        }
