"""Request bodies for an OpenAI-compatible endpoint: messages, sampling, and the image."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.engines._pictures import Picture
from vlreward.engines.values import Request, Sampling

__all__ = ["Bodies", "to_openai"]

_PLACE = uuid.uuid4().hex
"""Stands for the image while the rest of a body is written: no text of a prompt holds it."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Builds request bodies."""

    model: str
    sampling: Sampling
    extra: dict[str, Any]

    def build(self, request: Request, pictures: Sequence[Picture], n: int) -> tuple[bytes, ...]:
        """The body of a request as JSON, in parts.

        Args:
            n: How many answers to draw, the first of them with the seed of the request.
        """
        urls = [f"data:{picture.kind};base64,{_PLACE}" for picture in pictures]
        body = {
            "model": self.model,
            "messages": to_openai(request.messages, urls),
            **self._sampling(request.key),
            **({"n": n} if n > 1 else {}),
            **self.extra,
        }
        first, *texts = json.dumps(body).encode().split(_PLACE.encode())
        parts = [first]
        for picture, text in zip(pictures, texts, strict=True):
            parts += [picture.base64, text]  # most of it, needs no escapes and is not copied
        return tuple(parts)

    def _sampling(self, key: str) -> dict[str, Any]:
        """The sampling as fields of a body; what is None is left to the server."""
        fields: dict[str, Any] = {
            "max_tokens": self.sampling.max_tokens,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.batch_seed(key),
        }
        return {name: value for name, value in fields.items() if value is not None}


def to_openai(messages: list[dict[str, Any]], urls: Sequence[str]) -> list[dict[str, Any]]:
    """Chat messages in the protocol's form: the bare image entries become `image_url`s."""
    left = iter(urls)
    converted = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            content = [
                {"type": "image_url", "image_url": {"url": next(left)}}
                if entry["type"] == "image"
                else entry
                for entry in content
            ]
            if len(content) == 1 and content[0]["type"] == "text":
                content = content[0]["text"]
        converted.append({**message, "content": content})
    return converted
