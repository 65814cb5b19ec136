"""Two lanes: what is scored at once in this process, and what waits for a worker process.

Boxes, counts and almost all expressions are scored in the event loop's own thread, a few at a time:
requests take turns of a millisecond, so that a large one never holds up a small one. A comparison
that only a worker process can settle goes to a thread of its own; nothing but its own request waits
for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TypeVar

from vlreward.integrations.scorer import COLUMNS, Scored, Scorer
from vlreward.integrations.server.metrics import ServerMetrics
from vlreward.integrations.server.options import ServerOptions
from vlreward.integrations.server.schemas import Item
from vlreward.integrations.text import strip_end

__all__ = ["Busy", "Lanes"]

_T = TypeVar("_T")
_TURN_SECONDS = 0.001
_LONG_SECONDS = 0.005  # such work comes from the parsing of large bodies alone
_ROUNDS = 3  # of the loop until a small request has been read, run and answered


class Busy(Exception):
    """The server cannot take more for now.

    Args:
        status: 429 if this client's request was too much at this time, 503 if the server is full.
        message: What is full.
        retry_after: Seconds after which to try again.
    """

    def __init__(self, status: int, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Lanes:
    """Scores the items of requests.

    Args:
        scorer: How.
        options: Limits.
        metrics: Where it is counted.
    """

    def __init__(self, scorer: Scorer, options: ServerOptions, metrics: ServerMetrics) -> None:
        self._scorer = scorer
        self._options = options
        self._metrics = metrics
        self._pending = 0
        self._hard = 0
        self._turns = asyncio.Lock()  # first come, first served
        self._worked = 0.0  # seconds since the event loop looked at everything else
        self._workers = options.workers_each
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="vlreward-hard")

    def close(self) -> None:
        """End; what still waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def in_turn(self, work: Callable[[], _T]) -> _T:
        """The result of `work`, which nobody else's runs beside.

        After some work the event loop looks at everything else before the next.
        """
        async with self._turns:
            started = perf_counter()
            try:
                return work()
            finally:
                self._worked += perf_counter() - started
                if self._worked > _TURN_SECONDS / 2:
                    rounds = 1 if self._worked < _LONG_SECONDS else _ROUNDS
                    self._worked = 0.0
                    for _ in range(rounds):
                        await asyncio.sleep(0)

    async def score(self, items: list[Item]) -> list[Scored]:
        """Scores of a request of any size; one that fits into a turn and is easy is done then.

        Raises:
            Busy: If too much waits already.
            ValueError: If a gold is bad or a frame or size is missing; names the item.
        """
        results: list[Scored | None] = []
        hard = await self.in_turn(partial(self._turn, items, results))
        if hard or len(results) < len(items):
            await self._finish(items, results, hard)
        return self._counted(results)

    async def _finish(
        self, items: list[Item], results: list[Scored | None], hard: list[int]
    ) -> None:
        """Score what a request's first turn left: the rest in turns, `hard` by workers."""
        asked: dict[int, asyncio.Future[Scored]] = {}
        self._wait(len(items))
        try:
            self._hand_over(items, hard, asked)
            while len(results) < len(items):
                hard = await self.in_turn(partial(self._turn, items, results))
                self._hand_over(items, hard, asked)
            for index, score in zip(asked, await asyncio.gather(*asked.values())):
                results[index] = score
        finally:
            for future in asked.values():
                future.cancel()
            self._wait(-len(items))

    def _wait(self, size: int) -> None:
        """Count completions that wait from now on, or no longer if `size` is negative."""
        # One request is always taken if nothing waits, or it never could be.
        if self._pending and size > 0 and self._pending + size > self._options.max_pending:
            raise Busy(
                429, f"{self._pending} completions wait, {size} more are too many", retry_after=1
            )
        self._pending += size
        self._metrics.pending.set(self._pending)

    def _turn(self, items: list[Item], results: list[Scored | None]) -> list[int]:
        """Add the scores of the next few items; the indices of those that need a worker."""
        first, end = len(results), perf_counter() + _TURN_SECONDS
        for index in range(first, len(items)):
            results.append(_named(self._scorer.score_quickly, items[index], index))
            if perf_counter() > end:
                break
        return [index for index in range(first, len(results)) if results[index] is None]

    def _hand_over(
        self, items: list[Item], hard: list[int], asked: dict[int, asyncio.Future[Scored]]
    ) -> None:
        """Have threads ask workers about the items with the indices `hard`."""
        loop = asyncio.get_running_loop()
        for index in hard:
            if self._hard >= self._options.max_hard:
                seconds = self._hard * self._scorer.settings.deadline / self._workers
                raise Busy(
                    503,
                    f"{self._hard} comparisons wait for {self._workers} worker processes",
                    retry_after=max(1, round(seconds / 2)),
                )
            work = partial(_named, self._scorer.score, items[index], index)
            asked[index] = loop.run_in_executor(self._threads, work)
            self._count_hard(1)
            asked[index].add_done_callback(lambda _: self._count_hard(-1))

    def _count_hard(self, more: int) -> None:
        self._hard += more
        self._metrics.hard.set(self._hard)

    def _counted(self, results: list[Scored | None]) -> list[Scored]:
        found = [result for result in results if result is not None]
        for task, count in Counter(result.task for result in found).items():
            self._metrics.completions.labels(task).inc(count)
        failures = (result.score.failure for result in found)
        for code, count in Counter(f.code.value for f in failures if f is not None).items():
            self._metrics.failures.labels(code).inc(count)
        return found


def _named(score: Callable[..., _T], item: Item, index: int) -> _T:
    """What `score` makes of an item; its errors name the item."""
    given = {name: getattr(item, name) for name in COLUMNS}
    try:
        return score(strip_end(item.completion), item.gold, task=item.task, **given)
    except ValueError as error:
        raise ValueError(f"item {index}: {error}") from None
