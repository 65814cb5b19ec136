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
        record: Called with each score when it is known, in this thread.
    """

    def __init__(
        self,
        specs: Mapping[str, TaskSpec],
        seen: Callable[[Completed], Sample],
        record: Callable[[Sample, Completion, Score, int], None] | None = None,
    ) -> None:
        self._specs, self._seen, self._record = specs, seen, record
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
            sample = self._seen(item)
            spec, key = self._specs[sample.task], (sample.id, item.attempt)
            quick = score_quickly(spec, item.completion, sample)
            if quick is None:
                future = self._pool.submit(score, spec, item.completion, sample)
                self._pending[key] = future
                self._unshown.append((sample, item.completion, item.attempt, future))
            else:
                self._known[key] = quick
                found.append(self._shown(sample, item.completion, item.attempt, quick))
        while self._unshown and self._unshown[0][-1].done():
            sample, completion, attempt, future = self._unshown.popleft()
            found.append(self._shown(sample, completion, attempt, future.result()))
        return found

    def _shown(self, sample: Sample, completion: Completion, attempt: int, score: Score) -> float:
        if self._record is not None:
            self._record(sample, completion, score, attempt)
        return score.metrics[self._specs[sample.task].primary]

    def of(
        self,
        samples: Sequence[Sample],
        completions: Sequence[Completion],
        attempts: Sequence[int] | None = None,
    ) -> list[Score]:
        """The score of each sample, in order; waits for those that are not known yet.

        What was never added, since another process answered it, is scored now.

        Args:
            samples: The samples as the engine saw them.
            completions: What it wrote.
            attempts: Which answer to its sample each is; None if all are the first.
        """
        self._known.update((key, future.result()) for key, future in self._pending.items())
        keys = [(s.id, n) for s, n in zip(samples, attempts or [0] * len(samples))]
        rest = [i for i, key in enumerate(keys) if key not in self._known]
        late = score_rows(self._specs, [samples[i] for i in rest], [completions[i] for i in rest])
        self._known.update((keys[i], found) for i, found in zip(rest, late))
        return [self._known[key] for key in keys]
