"""Runs samples through an engine, keeps every answer, and goes on where an earlier run stopped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.bench import _shards
from vlreward.bench.progress import RunProgress
from vlreward.bench.run_store import request_key
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource, image_sha256
from vlreward.engines.base import Engine, EngineError, Generation, GenerationError, Request
from vlreward.errors import OptionError
from vlreward.prompts import PromptTemplate
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
    recorded: bool = False
    """True if the answer was in the run file already."""

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
    prompt: PromptTemplate,
    images: ImageSource | None = None,
    judge: Callable[[Completed], Sequence[float]] | None = None,
    max_error_rate: float = 0.01,
    overwrite: bool = False,
    title: str = "run",
    about: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> list[Completed]:
    """Have the engine answer every sample, and record each answer at once.

    Answers that `path` holds already are not generated again. Samples with the same messages and
    image share one answer when decoding is greedy; otherwise each is a draw of its own. With an
    engine of several processes each takes its share, and all return the whole.

    Args:
        samples: The samples.
        engine: Generates the answers; not closed here.
        path: Run file, see `RunStore`.
        prompt: How samples are put to the model.
        images: Gives the image that a sample names; None to take its name as a path.
        judge: Called with each item; the accuracies from 0 to 1 that are known since the last
            call, for the display. It must not wait: the engine stands still meanwhile.
        max_error_rate: Largest share of samples without an answer; one more ends the run.
        overwrite: Begin `path` anew where it holds answers of another model, prompt or sampling.
        title: Name of the suite, for the progress display and the header of the file.
        about: More for the header of the file.
        progress: False to show none.

    Returns:
        One item per sample, in the order of `samples`.

    Raises:
        TooManyFailuresError: As soon as more than `max_error_rate` of the samples have no answer.
        EngineError: If the engine cannot go on. What was answered is kept.
        RunMismatchError: If `path` holds answers of another model, prompt or sampling.
        LockedError: If another process writes to `path`.
    """
    failures = _Failures(len(samples), max_error_rate, Path(path))
    identity = {**engine.describe(), "prompt": prompt.hash}
    header = {"suite": title, "prompt_name": prompt.name, **dict(about or {})}
    shards = _shards.Shards(Path(path), engine, identity, header, overwrite)
    try:
        run = _Run(samples, engine, shards, prompt, images, judge, failures)
        mine = range(engine.rank, len(samples), engine.world_size)
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
    completed = [run.results[index] for index in range(len(samples))]
    failures.check(completed)
    return completed


class _Run:
    """The state of one call of `run_suite` in one process."""

    def __init__(
        self,
        samples: Sequence[Sample],
        engine: Engine,
        shards: _shards.Shards,
        prompt: PromptTemplate,
        images: ImageSource | None,
        judge: Callable[[Completed], Sequence[float]] | None,
        failures: _Failures,
    ) -> None:
        self.results: dict[int, Completed] = {}
        self._failures = failures
        self._samples, self._engine, self._shards = samples, engine, shards
        self._prompt, self._images, self._judge = prompt, images, judge
        self._identity = engine.describe()
        self._waiting: dict[str, list[int]] = {}
        self._drawn: Counter[str] = Counter()

    def work(self, indices: Sequence[int], display: RunProgress) -> None:
        """Settle the samples at `indices`."""

        def settle(index: int, item: Completed) -> None:
            self.results[index] = item
            display.advance(
                accuracies=() if self._judge is None else self._judge(item),
                failed=item.error is not None,
                recorded=item.recorded,
            )
            if item.error is not None:
                self._failures.check(self.results.values())

        def requests() -> Iterator[Request]:
            for index in indices:
                sample = self._samples[index]
                try:
                    request = self._request(sample)
                except (DataError, OSError) as error:
                    problem = GenerationError("image", f"{error} (sample {sample.id!r})")
                    settle(index, Completed(sample, None, error=problem))
                    continue
                recorded = self._shards.get(request.key)
                if recorded is not None:
                    settle(index, Completed(sample, request.key, recorded, recorded=True))
                elif request.key in self._waiting:
                    self._waiting[request.key].append(index)
                else:
                    self._waiting[request.key] = [index]
                    yield request

        for key, outcome in self._engine.generate(requests()):
            waiting = self._waiting.pop(key)
            if isinstance(outcome, Generation):
                first = self._samples[waiting[0]].id
                self._shards.append(key, outcome, sample_id=first)
            for index in waiting:
                sample = self._samples[index]
                if isinstance(outcome, Generation):
                    settle(index, Completed(sample, key, outcome))
                else:
                    settle(index, Completed(sample, key, error=outcome))
        if self._waiting:
            raise EngineError(
                f"the engine {self._engine.name!r} left {len(self._waiting)} requests unanswered"
            )

    def exchange(self) -> None:
        """Add what the other processes settled."""
        mine = {i: (item.key, item.error, item.recorded) for i, item in self.results.items()}
        shared = self._shards.exchange(mine)
        for share in shared:
            for index, (key, error, recorded) in share.items():
                generation = None if error is not None else self._shards.get(key)
                self.results[index] = Completed(
                    self._samples[index], key, generation, error, recorded
                )

    def _request(self, sample: Sample) -> Request:
        messages = self._prompt.render(sample)
        image = self._image(sample.image)
        digest = None if image is None else image_sha256(image)
        key = request_key(messages, digest, self._identity)
        if not self._engine.sampling.greedy:
            repeat = self._drawn[key]
            self._drawn[key] += 1
            key = request_key(messages, digest, self._identity, repeat=repeat)
        return Request(key, messages, image, {"id": sample.id})

    def _image(self, name: str | None) -> Path | bytes | None:
        if name is None:
            return None
        if self._images is None:
            return Path(name)
        return self._images.source(name)


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
