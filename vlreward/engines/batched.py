"""What engines share that run a model in this process, a batch at a time."""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vlreward.engines.base import (
    Engine,
    EngineConfig,
    Generation,
    GenerationError,
    Outcome,
    Request,
)
from vlreward.engines.images import weight
from vlreward.errors import OptionError
from vlreward.geometry import Size

__all__ = ["Batch", "BatchedEngine", "OutOfMemory"]

_WINDOW = 16
"""Requests are sorted by size within so many batches."""


class OutOfMemory(Exception):
    """A batch did not fit; it is tried again in halves."""


@dataclass(frozen=True)
class Batch:
    """Requests that are generated together; lists of equal length."""

    requests: list[Request]
    """Those that can be generated."""
    image_sizes: list[Size | None]
    """(width, height) in pixels of each original image, upright."""
    input_sizes: list[Size | None]
    """(width, height) in pixels of each image as the model sees it, where known."""
    inputs: Any
    """What the model takes, on the CPU; None without requests."""
    errors: list[tuple[str, GenerationError]]
    """Those that cannot, by key."""


class BatchedEngine(Engine):
    """Sorts requests by size, prepares a batch while the model works on another, and makes
    batches smaller where memory runs out.

    Raises:
        OptionError: If no model is named.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        if config.model is None:
            raise OptionError(f"the engine {self.name!r} needs a model: name it by --model")
        self.model: str = config.model
        self.batch_size = config.batch_size
        """Requests generated together now; halved by itself when memory runs out."""

    @abstractmethod
    def prepare(self, requests: Sequence[Request]) -> Batch:
        """Open, resize and tokenise; requests whose image cannot be shown become errors."""

    @abstractmethod
    def draw(self, batch: Batch, seed: int | None) -> list[list[int]]:
        """The new tokens of each request, up to and with the end token where there is one.

        Args:
            batch: At least one request.
            seed: Seed of the draw; None where nothing is to be seeded.

        Raises:
            OutOfMemory: If the batch does not fit; what it took is given back.
        """

    @abstractmethod
    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, special ones left out."""

    @property
    @abstractmethod
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer."""

    @property
    @abstractmethod
    def memory_remedy(self) -> str:
        """What to do where memory runs out with a single request."""

    @property
    def shown_model(self) -> str:
        """The model's name in a run file: of a directory the last part, as paths differ."""
        local = Path(self.model)
        return local.resolve().name if local.is_dir() else self.model

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) batch by batch; requests of similar size share a batch.

        The next batch is prepared by a thread while the model works on the current one.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="vlreward-prepare") as pool:
            ready: Future[Batch] | None = None
            for batch in self._batches(iter(requests)):
                following = pool.submit(self.prepare, batch)
                if ready is not None:
                    yield from self._answer(ready.result())
                ready = following
            if ready is not None:
                yield from self._answer(ready.result())

    def _batches(self, requests: Iterator[Request]) -> Iterator[list[Request]]:
        while window := list(islice(requests, self.batch_size * _WINDOW)):
            window.sort(key=weight, reverse=True)
            for seen in (True, False):
                alike = [r for r in window if (r.image is not None) == seen]
                while alike:
                    # Read anew each time: memory that runs out makes batches smaller.
                    size = self.batch_size
                    yield alike[:size]
                    alike = alike[size:]

    def _answer(self, batch: Batch) -> Iterator[tuple[str, Outcome]]:
        yield from batch.errors
        if not batch.requests:
            return
        started = time.monotonic()
        try:
            drawn = self.draw(batch, self.sampling.batch_seed(batch.requests[0].key))
        except OutOfMemory:
            drawn = None
        if drawn is not None:
            seconds = round((time.monotonic() - started) / len(batch.requests), 4)
            for request, tokens, image_size, input_size in zip(
                batch.requests, drawn, batch.image_sizes, batch.input_sizes
            ):
                yield request.key, self._generation(tokens, image_size, input_size, seconds)
            return
        if len(batch.requests) == 1:
            yield batch.requests[0].key, GenerationError(
                "out_of_memory", f"out of memory with a single request: {self.memory_remedy}"
            )
            return
        half = (len(batch.requests) + 1) // 2
        if half < self.batch_size:
            warnings.warn(
                f"out of memory with {len(batch.requests)} requests at once; going on with "
                f"--batch-size {half}",
                stacklevel=2,
            )
            self.batch_size = half
        for part in (batch.requests[:half], batch.requests[half:]):
            yield from self._answer(self.prepare(part))

    def _generation(
        self, tokens: list[int], image_size: Size | None, input_size: Size | None, seconds: float
    ) -> Generation:
        truncated = not tokens or tokens[-1] not in self.end_tokens
        return Generation(
            text=self.decode(tokens),
            truncated=truncated,
            token_count=len(tokens),
            finish_reason="length" if truncated else "stop",
            served_model=self.model,
            seconds=seconds,
            image_size=image_size,
            input_size=input_size,
        )
