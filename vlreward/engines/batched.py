"""What engines share that run a model in this process, a batch at a time."""

from __future__ import annotations

import contextlib
import time
import warnings
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from vlreward.data.images import image_size, open_image
from vlreward.engines.base import (
    Engine,
    EngineConfig,
    Generation,
    GenerationError,
    Outcome,
    Request,
)
from vlreward.errors import OptionError
from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Batch", "BatchedEngine", "is_out_of_memory"]

_WINDOW = 16
"""Requests are sorted by size within so many batches."""


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
    """What `draw` takes; None without requests."""
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
    def encode(self, messages: list[dict[str, Any]], images: list[Image]) -> Any:
        """A prompt for `collate`.

        Args:
            messages: Chat messages with a bare entry for each image.
            images: The images that they stand for, as large as they are to be seen.

        Raises:
            ValueError: If the messages cannot be put to the model.
        """

    @abstractmethod
    def collate(
        self, prompts: list[Any], images: list[list[Image]]
    ) -> tuple[Any, list[Size] | None]:
        """What `draw` takes, and the sizes at which the model sees the images, all in a row.

        Args:
            prompts: At least one that `encode` made.
            images: The images of each: all have some, or none has.

        Returns:
            The sizes are None where they are not known.
        """

    @abstractmethod
    def draw(self, inputs: Any, seed: int | None) -> list[list[int]] | None:
        """The new tokens of each prompt, up to and with the end token where there is one.

        Args:
            inputs: What `collate` made.
            seed: Seed of the draw; None where nothing is to be seeded.

        Returns:
            None where memory ran out; what the batch took is given back then.
        """

    @abstractmethod
    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, special ones left out."""

    @property
    @abstractmethod
    def end_tokens(self) -> Collection[int]:
        """Tokens that end an answer."""

    @property
    @abstractmethod
    def memory_remedy(self) -> str:
        """What helps where memory runs out with a single request."""

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
            window.sort(key=_weight, reverse=True)
            for seen in (True, False):
                alike = [r for r in window if (r.image is not None) == seen]
                while alike:
                    # Read anew each time: memory that runs out makes batches smaller.
                    size = self.batch_size
                    yield alike[:size]
                    alike = alike[size:]

    def prepare(self, requests: Sequence[Request]) -> Batch:
        """Open and resize images, make prompts; requests that cannot be shown become errors."""
        good: list[tuple[Request, Size | None, list[Image], Any]] = []
        errors: list[tuple[str, GenerationError]] = []
        for request in requests:
            try:
                where = str(request.meta.get("id", ""))
                pictures = [open_image(source, where=where) for source in request.shown]
                original = Size(*pictures[request.place].size) if pictures else None
                # By Pillow, as the engine `openai` and the Qwen-VL utilities do it: a processor
                # then leaves the image alone, whichever way it would resize.
                if self.resizing is not None:
                    pictures = [self.resizing.apply(picture) for picture in pictures]
                good.append((request, original, pictures, self.encode(request.messages, pictures)))
            except ValueError as error:
                detail = f"{error} (sample {request.meta.get('id')!r})"
                errors.append((request.key, GenerationError("image", detail)))
        if not good:
            return Batch([], [], [], None, errors)
        kept, originals, images, prompts = map(list, zip(*good))
        inputs, sizes = self.collate(prompts, images)
        ends = [0, *accumulate(map(len, images))]
        seen = [
            sizes[start + request.place] if sizes and shown else None
            for request, shown, start in zip(kept, images, ends)
        ]
        return Batch(kept, originals, seen, inputs, errors)

    def _answer(self, batch: Batch) -> Iterator[tuple[str, Outcome]]:
        yield from batch.errors
        if not batch.requests:
            return
        started = time.monotonic()
        drawn = self.draw(batch.inputs, self.sampling.batch_seed(batch.requests[0].key))
        if drawn is not None:
            seconds = round((time.monotonic() - started) / len(batch.requests), 4)
            for request, tokens, image_size, input_size in zip(
                batch.requests, drawn, batch.image_sizes, batch.input_sizes
            ):
                yield request.key, self._generation(tokens, image_size, input_size, seconds)
            return
        if len(batch.requests) == 1:
            yield (
                batch.requests[0].key,
                GenerationError(
                    "out_of_memory", f"out of memory with a single request: {self.memory_remedy}"
                ),
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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or paddle means that memory ran out, on a GPU or without one."""
    text = str(error).lower()
    said = ("out of memory", "can't allocate memory", "resourceexhausted", "fail to alloc")
    return any(phrase in text for phrase in said)


def _weight(request: Request) -> tuple[int, int]:
    """Area of the image by its header, then length of the text: about how long the prompt is."""
    area = 0
    for source in request.shown:
        with contextlib.suppress(ValueError):  # Reported when the request is prepared.
            width, height = image_size(source)
            area += width * height
    return area, sum(len(str(message["content"])) for message in request.messages)
