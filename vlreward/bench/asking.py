"""How the samples of a run become requests: in what order, in which words, under which keys."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlreward.bench.mixed import Prompts
from vlreward.bench.run_store import request_key
from vlreward.data.images import ImageSource, image_sha256
from vlreward.engines.base import Engine, Request
from vlreward.types import Sample

__all__ = ["Asker", "share"]


def share(wanted: Sequence[Sample], engine: Engine) -> list[int]:
    """The places of what this process settles, images together.

    Where answers are drawn, what is asked alike stays in one process: it numbers the draws.

    Args:
        wanted: The sample of each answer.
        engine: Says which process this is, of how many.
    """
    mine: Sequence[int] = range(engine.rank, len(wanted), engine.world_size)
    if not engine.sampling.greedy:
        firsts: dict[Any, int] = {}
        turns = [
            firsts.setdefault((s.image, s.question, s.expression), len(firsts)) for s in wanted
        ]
        mine = [i for i, turn in enumerate(turns) if turn % engine.world_size == engine.rank]
    shown: dict[Any, int] = {}
    for i in mine:
        shown.setdefault(wanted[i].image or i, i)
    return sorted(mine, key=lambda i: (shown[wanted[i].image or i], i))


@dataclass(slots=True)
class Asker:
    """Puts samples to the model."""

    engine: Engine
    prompts: Prompts
    images: ImageSource | None
    _identity: dict[str, Any] = field(init=False)
    _drawn: Counter[str] = field(default_factory=Counter)
    _last: tuple[Sample, Request] | None = None
    _hashed: tuple[tuple[Path | bytes | None, ...], str | None] = ((None,), None)

    def __post_init__(self) -> None:
        self._identity = self.engine.describe()

    def request(self, sample: Sample) -> Request:
        """The next request for a sample; each is a draw of its own unless decoding is greedy."""
        if self._last is None or self._last[0] is not sample:
            messages = self.prompts.of(sample.task).render(sample)
            image = None if sample.image is None else self._source(sample.image)
            images = tuple(map(self._source, sample.images))
            if (image, *images) != self._hashed[0]:
                self._hashed = (image, *images), _digest(images or (image,))
            digest = self._hashed[1]
            key = request_key(messages, digest, self._identity)
            group = None if self.engine.sampling.greedy else key
            first = Request(key, messages, image, {"id": sample.id}, group, digest, images)
            self._last = sample, first
        first = self._last[1]
        if first.group is None:
            return first
        repeat = self._drawn[first.key]
        self._drawn[first.key] += 1
        key = request_key(first.messages, first.image_sha256, self._identity, repeat=repeat)
        return replace(first, key=key)

    def _source(self, name: str) -> Path | bytes:
        return Path(name) if self.images is None else self.images.source(name)


def _digest(images: Sequence[Path | bytes | None]) -> str | None:
    """The digest of the image, or of those of several; None without one."""
    digests = [image_sha256(image) for image in images if image is not None]
    if len(digests) < 2:
        return digests[0] if digests else None
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
