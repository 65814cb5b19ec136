"""Runs samples through an engine, keeps every answer, and goes on where an earlier run stopped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward.bench import _shards
from vlreward.bench.asking import Asker, share
from vlreward.bench.mixed import Prompts
from vlreward.bench.progress import RunProgress
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource
from vlreward.engines.base import Engine, EngineError, Generation, GenerationError, Request
from vlreward.errors import OptionError
from vlreward.types import Completion, Sample

__all__ = ["Completed", "TooManyFailuresError", "run_suite"]


@dataclass(frozen=True, slots=True)
class Completed:
    """What became of one sample: an answer or the reason why there is none."""

    sample: Sample
    """The sample."""
    key: str | None
    """Key of the answer in the run file; None if the request could not be formed."""
    generation: Generation | None = None
    """The answer; None if there is none."""
    error: GenerationError | None = None
    """Why there is no answer; None if there is one."""
    resumed: bool = False
    """True if the answer was in the run file already."""
    attempt: int = 0
    """Which of several answers to the sample this is, from 0."""

    @property
    def completion(self) -> Completion | None:
        """What a parser needs of the answer; None if there is none."""
        return None if self.generation is None else self.generation.completion


class TooManyFailuresError(EngineError):
    """More samples than allowed have no answer. The run file keeps all answers that there are."""

    def __init__(self, message: str, completed: list[Completed]) -> None:
        super().__init__(message)
        self.completed = completed
        """What became of each sample, the failed ones included."""


def run_suite(
    samples: Sequence[Sample],
    engine: Engine,
    path: str | os.PathLike[str],
    *,
    prompts: Prompts,
    attempts: int = 1,
    images: ImageSource | None = None,
    on_settled: Callable[[Completed], Sequence[float]] | None = None,
    max_error_rate: float = 0.01,
    overwrite: bool = False,
    title: str = "run",
    about: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> list[Completed]:
    """Have the engine answer every sample, and record each answer at once.

    Answers that `path` holds already are not generated again. Samples with the same messages and
    image share one answer when decoding is greedy; otherwise each is a draw of its own. Samples
    that share an image are asked one after the other, so that it is encoded once. With an engine
    of several processes each takes its share, and all return the whole.

    Args:
        engine: Generates the answers; not closed here.
        path: Run file, see `RunStore`.
        prompts: How samples are put to the model.
        attempts: How many answers each sample gets.
        images: Gives the image that a sample names; None to take its name as a path.
        on_settled: Called with each item; gives the accuracies from 0 to 1 that are known since
            the last call, for the display. It must not wait: the engine stands still meanwhile.
        max_error_rate: Largest share of samples without an answer; one more ends the run.
        overwrite: Begin `path` anew where it holds answers of another model, prompt or sampling.
        title: Name of the suite, for the progress display and the header of the file.
        about: More for the header of the file.
        progress: False to show none.

    Returns:
        One item per sample and attempt, in the order of `samples`, the attempts of one together.

    Raises:
        TooManyFailuresError: As soon as more than `max_error_rate` of the samples have no answer.
        EngineError: If the engine cannot go on. What was answered is kept.
        RunMismatchError: If `path` holds answers of another model, prompt or sampling.
        LockedError: If another process writes to `path`.
    """
    # In a list, since a data set reads a sample anew each time that it is asked for.
    wanted = [(sample, attempt) for sample in samples for attempt in range(attempts)]
    ask = Asker(engine, prompts, images)
    failures = _Failures(len(wanted), max_error_rate, Path(path))
    identity = {**engine.describe(), "prompt": prompts.hash}
    header = {"suite": title, "prompt_name": prompts.usual.name, **dict(about or {})}
    shards = _shards.Shards(Path(path), engine, identity, header, overwrite)
    try:
        run = _Run(wanted, ask, shards, on_settled, failures)
        mine = share([sample for sample, _ in wanted], engine)
        shown = False if engine.rank else progress
        with RunProgress(len(mine), title, shown=shown) as display:
            run.work(mine, display)
        if engine.world_size > 1:
            run.exchange()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: {len(shards)} answers are kept in {str(path)!r}; run the same command "
            "again to go on from there"
        ) from None
    finally:
        shards.close()
    completed = [run.results[index] for index in range(len(wanted))]
    failures.check(completed)
    return completed


@dataclass(slots=True)
class _Run:
    """The state of one call of `run_suite` in one process."""

    wanted: Sequence[tuple[Sample, int]]
    """Sample and attempt of each answer."""
    ask: Asker
    shards: _shards.Shards
    on_settled: Callable[[Completed], Sequence[float]] | None
    failures: _Failures
    results: dict[int, Completed] = field(default_factory=dict)
    """What became of each, by its place among the wanted ones."""

    def work(self, indices: Sequence[int], display: RunProgress) -> None:
        """Settle what has these numbers."""
        waiting: dict[str, list[int]] = {}

        def settle(
            index: int,
            key: str | None,
            outcome: Generation | GenerationError | None,
            resumed: bool = False,
        ) -> None:
            item = self._completed(index, key, outcome, resumed)
            self.results[index] = item
            display.advance(
                accuracies=() if self.on_settled is None else self.on_settled(item),
                failed=item.error is not None,
                resumed=resumed,
            )
            if item.error is not None:
                self.failures.check(self.results.values())

        def requests() -> Iterator[Request]:
            for index in indices:
                sample, _ = self.wanted[index]
                try:
                    request = self.ask.request(sample)
                except (DataError, OSError) as error:
                    problem = GenerationError("image", f"{error} (sample {sample.id!r})")
                    settle(index, None, problem)
                    continue
                kept = self.shards.get(request.key)
                if kept is not None:
                    settle(index, request.key, kept, resumed=True)
                elif request.key in waiting:
                    waiting[request.key].append(index)
                else:
                    waiting[request.key] = [index]
                    yield request

        engine = self.ask.engine
        for key, outcome in engine.generate(requests()):
            alike = waiting.pop(key)
            if isinstance(outcome, Generation):
                self.shards.append(key, outcome, sample_id=self.wanted[alike[0]][0].id)
            for index in alike:
                settle(index, key, outcome)
        if waiting:
            raise EngineError(f"the engine {engine.name!r} left {len(waiting)} requests unanswered")

    def exchange(self) -> None:
        """Add what the other processes settled."""
        mine = {i: (item.key, item.error, item.resumed) for i, item in self.results.items()}
        for theirs in self.shards.exchange(mine):
            for index, (key, error, resumed) in theirs.items():
                outcome = error if error is not None else self.shards.get(key)
                self.results[index] = self._completed(index, key, outcome, resumed)

    def _completed(
        self,
        index: int,
        key: str | None,
        outcome: Generation | GenerationError | None,
        resumed: bool,
    ) -> Completed:
        sample, attempt = self.wanted[index]
        if isinstance(outcome, GenerationError):
            return Completed(sample, key, None, outcome, resumed, attempt)
        return Completed(sample, key, outcome, None, resumed, attempt)


class _Failures:
    """How many samples may stay without an answer."""

    def __init__(self, samples: int, rate: float, path: Path) -> None:
        if not 0 <= rate <= 1:
            raise OptionError(f"expected a max_error_rate from 0 to 1, got {rate!r}")
        self._samples, self._rate, self._path = samples, rate, path

    def check(self, settled: Collection[Completed]) -> None:
        """Raise where more have failed than may in the whole run."""
        failed = [(item, item.error) for item in settled if item.error is not None]
        if len(failed) <= self._rate * self._samples + 1e-9:
            return
        kinds = Counter(error.kind for _, error in failed)
        by_kind = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        first, why = failed[0]
        done = "" if len(settled) == self._samples else f" the first {len(settled)} of"
        raise TooManyFailuresError(
            f"{len(failed)} of{done} {self._samples} samples have no answer "
            f"({len(failed) / len(settled):.1%}), more than the largest error rate "
            f"{self._rate:.1%}: {by_kind}. The first, sample {first.sample.id!r}: {why.detail}. "
            f"{len(settled) - len(failed)} answers are kept in {str(self._path)!r}; run the same "
            "command again to try the failed ones again",
            list(settled),
        )
