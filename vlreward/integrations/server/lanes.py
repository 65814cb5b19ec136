"""Two lanes: what is scored at once in this process, and what waits for a worker process.

Boxes, counts and almost all expressions are scored in the event loop's own thread, a few at a time,
so that a large batch never holds up a small one. A comparison that only a worker process can settle
goes to a thread of its own; nothing but its own request waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from vlreward.integrations.scorer import Scored, Scorer
from vlreward.integrations.server.metrics import ServerMetrics
from vlreward.integrations.server.options import ServerOptions
from vlreward.integrations.server.schemas import Item
from vlreward.integrations.text import strip_end
from vlreward.judges import MathJudge
from vlreward.types import Parsed

__all__ = ["Busy", "Lanes"]

_TURN_ITEMS = 32
_TURN_CHARS = 64 * 1024


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


@dataclass
class _Job:
    """One request that did not fit into a single turn."""

    items: list[Item]
    done: asyncio.Future[list[Scored]]
    results: list[Scored | None]
    next: int = 0
    hard: int = 0
    threads: list[Future[Scored]] = field(default_factory=list)


class Lanes:
    """Scores the items of requests.

    Args:
        scorer: How.
        options: Limits.
        metrics: Where it is counted.
    """

    def __init__(self, scorer: Scorer, options: ServerOptions, metrics: ServerMetrics) -> None:
        from vlreward.verify import PoolOptions

        self._scorer = scorer
        self._options = options
        self._metrics = metrics
        self._pending = 0
        self._hard = 0
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        workers = PoolOptions(workers=options.workers).concurrency
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="vlreward-hard")
        self._workers = workers
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._runner = asyncio.create_task(self._run(), name="vlreward-easy-lane")

    async def close(self) -> None:
        """End; what still waits is dropped."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def score_at_once(self, items: list[Item]) -> list[Scored] | None:
        """Scores of a small request, if nothing in it has to wait.

        Raises:
            ValueError: If a gold is bad or a frame or size is missing; names the item.
        """
        if len(items) > _TURN_ITEMS or sum(len(i.completion) for i in items) > _TURN_CHARS:
            return None
        if any(self._is_hard(item, i) for i, item in enumerate(items)):
            return None
        return self._counted(self._scored(items, 0))

    async def score(self, items: list[Item]) -> list[Scored]:
        """Scores of a request of any size.

        Raises:
            Busy: If too much waits already.
            ValueError: If a gold is bad or a frame or size is missing; names the item.
        """
        size = len(items)
        # One request is always taken if nothing waits, or it never could be.
        if self._pending and self._pending + size > self._options.max_pending:
            raise Busy(
                429, f"{self._pending} completions wait, {size} more are too many", retry_after=1
            )
        done: asyncio.Future[list[Scored]] = asyncio.get_running_loop().create_future()
        job = _Job(items, done, [None] * size)
        self._pending += size
        self._metrics.pending.set(self._pending)
        self._jobs.append(job)
        self._wake.set()
        try:
            return self._counted(await done)
        finally:
            for thread in job.threads:
                thread.cancel()
            self._pending -= size
            self._metrics.pending.set(self._pending)

    def _counted(self, results: list[Scored]) -> list[Scored]:
        for result in results:
            self._metrics.completions.labels(result.task).inc()
            failure = result.score.failure
            if failure is not None:
                self._metrics.failures.labels(failure.code.value).inc()
        return results

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._jobs:
                job = self._jobs.popleft()
                if job.done.done():
                    continue  # its client has left, or its gold was bad
                try:
                    self._turn(job)
                except (Busy, ValueError) as error:
                    job.done.set_exception(error)
                except Exception as error:  # a bug: this request shows it, the others go on
                    job.done.set_exception(error)
                if job.next < len(job.items):
                    self._jobs.append(job)
                else:
                    self._finish(job)
                await asyncio.sleep(0)
            self._wake.clear()

    def _turn(self, job: _Job) -> None:
        """Score the next few items of a job."""
        chars = 0
        easy: list[int] = []
        while job.next < len(job.items) and len(easy) < _TURN_ITEMS and chars < _TURN_CHARS:
            index = job.next
            item = job.items[index]
            chars += len(item.completion)
            if self._is_hard(item, index):
                self._hand_over(job, index)
            else:
                easy.append(index)
            job.next += 1
        for index in easy:
            job.results[index] = self._scored([job.items[index]], index)[0]

    def _is_hard(self, item: Item, index: int) -> bool:
        """Whether only a worker process can settle it."""
        from vlreward.golds import unpack
        from vlreward.verify.exact.settle import settle_exactly

        try:
            task = self._scorer.task_of(item.gold, item.task)
            spec = self._scorer.reward(task).spec
            if not hasattr(spec.judge, "quick"):
                return False
            if not isinstance(spec.judge, MathJudge):
                return True
            outcome = spec.parser(strip_end(item.completion))
            if not isinstance(outcome, Parsed):
                return False
            gold = unpack(item.gold, task).gold
        except ValueError as error:
            raise ValueError(f"item {index}: {error}") from None
        if gold.task != task:
            return False
        target = gold.target(None, None)
        return settle_exactly(target, outcome.value, spec.judge.policy) is None

    def _hand_over(self, job: _Job, index: int) -> None:
        if self._hard >= self._options.max_hard:
            deadline = self._scorer.settings.deadline
            raise Busy(
                503,
                f"{self._hard} comparisons wait for {self._workers} worker processes",
                retry_after=max(1, round(self._hard * deadline / self._workers / 2)),
            )
        self._hard += 1
        self._metrics.hard.set(self._hard)
        job.hard += 1
        loop = asyncio.get_running_loop()
        thread = self._threads.submit(self._scored_one, job.items[index], index)
        job.threads.append(thread)

        def back(future: Future[Scored]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._take_back, job, index, future)

        thread.add_done_callback(back)

    def _take_back(self, job: _Job, index: int, future: Future[Scored]) -> None:
        self._hard -= 1
        self._metrics.hard.set(self._hard)
        job.hard -= 1
        if job.done.done() or future.cancelled():
            return
        error = future.exception()
        if error is not None:
            job.done.set_exception(error)
            return
        job.results[index] = future.result()
        self._finish(job)

    def _finish(self, job: _Job) -> None:
        if job.hard == 0 and job.next == len(job.items) and not job.done.done():
            job.done.set_result([result for result in job.results if result is not None])

    def _scored_one(self, item: Item, index: int) -> Scored:
        return self._scored([item], index)[0]

    def _scored(self, items: list[Item], first: int) -> list[Scored]:
        results = []
        for index, item in enumerate(items, first):
            try:
                results.append(
                    self._scorer.score(
                        strip_end(item.completion),
                        item.gold,
                        task=item.task,
                        image_size=item.image_size,
                        input_size=item.input_size,
                        frame=item.frame,
                        truncated=item.truncated or None,
                    )
                )
            except ValueError as error:
                text = str(error).removeprefix("row 0 of the batch: ")
                raise ValueError(f"item {index}: {text}") from None
        return results
