"""Request bodies for an OpenAI-compatible endpoint: messages, sampling, and the image."""

from __future__ import annotations

import json
import uuid
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

    def build(self, request: Request, picture: Picture | None, n: int) -> tuple[bytes, ...]:
        """The body of a request as JSON, in parts.

        Args:
            request: What is asked.
            picture: Its image.
            n: How many answers to draw, the first of them with the seed of the request.
        """
        url = None if picture is None else f"data:{picture.kind};base64,{_PLACE}"
        body = {
            "model": self.model,
            "messages": to_openai(request.messages, url),
            **self._sampling(request.key),
            **({"n": n} if n > 1 else {}),
            **self.extra,
        }
        text = json.dumps(body).encode()
        if picture is None:
            return (text,)
        before, _, after = text.partition(_PLACE.encode())
        return before, picture.base64, after  # most of it, needs no escapes and is not copied

    def _sampling(self, key: str) -> dict[str, Any]:
        """The sampling as fields of a body; what is None is left to the server."""
        fields: dict[str, Any] = {
            "max_tokens": self.sampling.max_tokens,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.batch_seed(key),
        }
        return {name: value for name, value in fields.items() if value is not None}


def to_openai(messages: list[dict[str, Any]], image_url: str | None) -> list[dict[str, Any]]:
    """Chat messages in the protocol's form: the bare image entry becomes an `image_url`."""
    converted = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            content = [
                {"type": "image_url", "image_url": {"url": image_url}}
                if entry["type"] == "image"
                else entry
                for entry in content
            ]
            if len(content) == 1 and content[0]["type"] == "text":
                content = content[0]["text"]
        converted.append({**message, "content": content})
    return converted
