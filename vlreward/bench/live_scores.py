"""The scores of a run whose answers are still arriving, each computed once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from vlreward.bench.mixed import score_rows
from vlreward.bench.runner import Completed
from vlreward.scoring import score, score_quickly
from vlreward.task import TaskSpec
from vlreward.types import Completion, Sample, Score

__all__ = ["LiveScores"]


class LiveScores:
    """Scores answers where they arrive, or beside the run where that would have to wait.

    The engine works on while a thread waits for a hard comparison; the next suite may begin
    before the last scores of this one are known. Left by an error, the context waits for none.

    Args:
        specs: The rules of each task that samples may belong to.
        seen: The sample of an item as the engine saw it.
        record: Called once with each score when `add` or `of` finds that it is known, in the thread
            that calls them.
    """

    def __init__(
        self,
        specs: Mapping[str, TaskSpec],
        seen: Callable[[Completed], Sample],
        record: Callable[[Sample, Completion, Score, int], None] | None = None,
    ) -> None:
        self._specs, self._seen, self._record = specs, seen, record
        self._samples: dict[tuple[str, int], Sample] = {}
        self._known: dict[tuple[str, int], Score] = {}
        self._waiting: deque[tuple[tuple[str, int], Completion, Future[Score]]] = deque()
        # As many as the verifier has workers: who waits for one must not run into its deadline.
        workers = max(1, min(8, (os.cpu_count() or 2) // 2))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="vlreward-score")

    def __enter__(self) -> LiveScores:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)

    def add(self, item: Completed) -> list[float]:
        """Take an answer; the accuracies from 0 to 1 that became known since the last call."""
        found: list[float] = []
        if item.completion is not None:
            key, sample = self._sample(item)
            spec = self._specs[sample.task]
            quick = score_quickly(spec, item.completion, sample)
            if quick is None:
                future = self._pool.submit(score, spec, item.completion, sample)
                self._waiting.append((key, item.completion, future))
            else:
                found.append(self._settle(key, item.completion, quick))
        while self._waiting and self._waiting[0][-1].done():
            found.append(self._settle_next())
        return found

    def _settle_next(self) -> float:
        """Settle the answer that waits longest, once its score is known."""
        key, completion, future = self._waiting.popleft()
        return self._settle(key, completion, future.result())

    def _settle(self, key: tuple[str, int], completion: Completion, found: Score) -> float:
        """Keep and record a score that is known now; the accuracy that it says."""
        self._known[key], sample = found, self._samples[key]
        if self._record is not None:
            self._record(sample, completion, found, key[1])
        return found.metrics[self._specs[sample.task].primary]

    def _sample(self, item: Completed) -> tuple[tuple[str, int], Sample]:
        """What a score is kept under, and the sample as the engine saw it."""
        key = (item.sample.id, item.attempt)
        if key not in self._samples:
            self._samples[key] = self._seen(item)
        return key, self._samples[key]

    def of(self, items: Sequence[Completed]) -> tuple[list[Sample], list[Score]]:
        """Sample and score of each answer, in order; waits for those that are not known yet.

        What was never added, since another process answered it, is scored now.
        """
        while self._waiting:
            self._settle_next()
        seen = [self._sample(item) for item in items]
        rest = [
            (key, sample, item.completion)
            for (key, sample), item in zip(seen, items)
            if key not in self._known and item.completion is not None
        ]
        late = score_rows(self._specs, [sample for _, sample, _ in rest], [c for *_, c in rest])
        for (key, _, completion), found in zip(rest, late):
            self._settle(key, completion, found)
        return [sample for _, sample in seen], [self._known[key] for key, _ in seen]
