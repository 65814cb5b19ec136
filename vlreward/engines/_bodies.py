"""Request bodies for an OpenAI-compatible endpoint: messages, sampling, and the resized image."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.data.images import open_image
from vlreward.engines.values import GenerationError, Request, Sampling
from vlreward.geometry import Size
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Bodies", "Prepared", "to_openai"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, ready to be sent."""

    body: bytes
    """JSON."""
    image_size: Size | None
    """(width, height) in pixels of the original image."""
    input_size: Size | None
    """(width, height) in pixels of the image in the body, None if the family does not resize."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Builds request bodies; used by several threads."""

    model: str
    sampling: Sampling
    resizing: Resizing | None
    """How the server resizes images; None to send them as they are."""
    extra: dict[str, Any]

    def prepare(self, request: Request) -> Prepared | GenerationError:
        """The body of a request, or why its image cannot be sent."""
        image_size = input_size = None
        url = None
        if request.image is not None:
            sample_id = str(request.meta.get("id", ""))
            try:
                image = open_image(request.image, where=sample_id)
                image_size = Size(*image.size)
                if self.resizing is not None:
                    image = self.resizing.apply(image)
                    input_size = Size(*image.size)
            except ValueError as error:
                return GenerationError("image", f"{error} (sample {sample_id!r})")
            url = "data:image/png;base64," + base64.b64encode(_png(image)).decode("ascii")
        body = {
            "model": self.model,
            "messages": to_openai(request.messages, url),
            **self._sampling(),
            **self.extra,
        }
        return Prepared(json.dumps(body).encode(), image_size, input_size)

    def _sampling(self) -> dict[str, Any]:
        """The sampling as fields of a body; what is None is left to the server."""
        fields: dict[str, Any] = {
            "max_tokens": self.sampling.max_tokens,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.seed,
        }
        return {name: value for name, value in fields.items() if value is not None}


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    # Level 1 takes a quarter of the time of the default for a tenth more bytes.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


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
