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
        self._pending: dict[tuple[str, int], Future[Score]] = {}
        self._unshown: deque[tuple[Sample, Completion, int, Future[Score]]] = deque()
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
                self._pending[key] = future
                self._unshown.append((sample, item.completion, item.attempt, future))
            else:
                self._known[key] = quick
                found.append(self._shown(sample, item.completion, item.attempt, quick))
        while self._unshown and self._unshown[0][-1].done():
            found.append(self._show_next())
        return found

    def _show_next(self) -> float:
        """Show the score that waits longest; waits for it if it is not known yet."""
        sample, completion, attempt, future = self._unshown.popleft()
        return self._shown(sample, completion, attempt, future.result())

    def _shown(self, sample: Sample, completion: Completion, attempt: int, score: Score) -> float:
        if self._record is not None:
            self._record(sample, completion, score, attempt)
        return score.metrics[self._specs[sample.task].primary]

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
        while self._unshown:
            self._show_next()
        self._known.update((key, future.result()) for key, future in self._pending.items())
        seen = [self._sample(item) for item in items]
        rest = [
            (key, sample, item.completion)
            for (key, sample), item in zip(seen, items)
            if key not in self._known and item.completion is not None
        ]
        late = score_rows(self._specs, [sample for _, sample, _ in rest], [c for *_, c in rest])
        for (key, sample, completion), found in zip(rest, late):
            self._known[key] = found
            self._shown(sample, completion, key[1], found)
        return [sample for _, sample in seen], [self._known[key] for key, _ in seen]
