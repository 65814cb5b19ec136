"""What goes into an engine and what comes out of it."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlreward.errors import UserError
from vlreward.geometry import Size
from vlreward.types import Completion

__all__ = [
    "EngineError",
    "Generation",
    "GenerationError",
    "NoModelError",
    "Outcome",
    "Request",
    "Sampling",
]


class EngineError(UserError, RuntimeError):
    """The engine cannot go on: it concerns every request, not one. The text names the remedy."""

    exit_code: ClassVar[int] = 3


class NoModelError(EngineError):
    """There is no model where one was named: asking again does not help."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; `EngineConfig` checks it. The defaults are greedy, which most published
    numbers are."""

    max_tokens: int = 1024
    """Largest number of generated tokens."""
    temperature: float = 0.0
    """0 for greedy decoding."""
    top_p: float | None = None
    """Smallest probability mass to draw from; None for the engine's default."""
    seed: int | None = None
    """Seed of the draw; without effect on greedy decoding."""

    @property
    def greedy(self) -> bool:
        """True if equal requests have equal answers."""
        return self.temperature == 0

    def batch_seed(self, key: str) -> int | None:
        """The seed of a batch whose first request is `key`; None where nothing is to be seeded.

        Each batch has its own, so that answers do not depend on what was generated before, and
        several draws of one request differ.
        """
        if self.seed is None or self.greedy:
            return None
        return int.from_bytes(hashlib.sha256(f"{self.seed} {key}".encode()).digest()[:4], "big")

    def describe(self) -> dict[str, Any]:
        """What the answers depend on: fields without effect are left out."""
        if self.greedy:
            return {"max_tokens": self.max_tokens, "temperature": 0.0}
        return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to generate."""

    key: str
    """Identifies the request among those given together; outcomes come back under it."""
    messages: list[dict[str, Any]]
    """Chat messages as `PromptTemplate.render` builds them, a bare entry for each image."""
    image: Path | bytes | None = None
    """The image whose sizes are told: its file, or the encoded image itself."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Anything else that an engine may want to know, e.g. the sample's id. Never sent."""
    group: str | None = None
    """What it shares with the requests beside it that have the same messages and image, each a
    draw of its own: an engine may answer them together. None where it stands alone."""
    image_sha256: str | None = None
    """Hash of the image's bytes, where known and the only one."""
    images: tuple[Path | bytes, ...] = ()
    """All images in the order of their entries, where there are several; `image` is one."""

    @property
    def place(self) -> int:
        """Which of `shown` is `image`."""
        return self.images.index(self.image) if self.images and self.image is not None else 0

    @property
    def shown(self) -> tuple[Path | bytes, ...]:
        """All images in the order of their entries."""
        return self.images or (() if self.image is None else (self.image,))


@dataclass(frozen=True, slots=True)
class Generation:
    """A generated text and how it came about."""

    text: str
    """The completion alone, special tokens left out."""
    truncated: bool = False
    """True if generation stopped at the token limit."""
    token_count: int | None = None
    """Number of generated tokens, the end token included, where known."""
    finish_reason: str | None = None
    """Why generation stopped, in the engine's own words: `stop`, `length`, ..."""
    usage: dict[str, int] | None = None
    """Token counts as an endpoint reports them."""
    served_model: str | None = None
    """Name of the model that answered, by its own account."""
    seconds: float | None = None
    """Wall-clock time from sending to answer; of its share of a batch for batched engines."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image, after EXIF orientation."""
    input_size: Size | None = None
    """(width, height) in pixels of the image as the model saw it, where known."""

    @property
    def completion(self) -> Completion:
        """What a parser needs of it."""
        return Completion(self.text, self.truncated, self.token_count)


@dataclass(frozen=True, slots=True)
class GenerationError:
    """Why one request has no answer. Never cached: the next run tries again."""

    kind: str
    """Machine-readable reason, e.g. `image`, `http_400`, `timeout`, `out_of_memory`."""
    detail: str
    """For a person: what happened and the remedy."""
    retryable: bool = False
    """True if the same request may succeed later."""
    retry_after: float | None = None
    """Seconds until then, if an endpoint says."""


Outcome = Generation | GenerationError
"""What became of a request."""
