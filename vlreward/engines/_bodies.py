"""Request bodies for an OpenAI-compatible endpoint: messages, sampling, and the resized image."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from vlreward.data.images import open_image
from vlreward.data.resize import resize_for
from vlreward.engines.values import GenerationError, Request, Sampling
from vlreward.errors import OptionError
from vlreward.frames import Frame, ModelFamily
from vlreward.geometry import Size

__all__ = ["Bodies", "Prepared", "to_openai"]

_AS_IT_IS = ModelFamily("unknown", Frame.ORIGINAL_PX, "")


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
    """Builds request bodies; used by several threads.

    Raises:
        OptionError: If limits are given for a family that does not resize by them.
    """

    model: str
    sampling: Sampling
    family: ModelFamily | None
    min_pixels: int | None
    max_pixels: int | None
    extra: dict[str, Any]

    def __post_init__(self) -> None:
        limited = self.min_pixels is not None or self.max_pixels is not None
        if limited and (self.family is None or self.family.factor is None):
            raise OptionError(
                f"min_pixels and max_pixels need a family that resizes by them, but {self.model!r} "
                f"is of {self.family.name if self.family else 'no known family'}; give the family"
            )

    def resizing(self) -> dict[str, int] | None:
        """Factor and limits of the resizing, None if there is none."""
        family = self.family
        if family is None or family.factor is None:
            return None
        return {
            "factor": family.factor,
            "min_pixels": family.min_pixels if self.min_pixels is None else self.min_pixels,
            "max_pixels": family.max_pixels if self.max_pixels is None else self.max_pixels,
        }

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) to which an image of that size is resized, None if it is left alone."""
        if self.family is None:
            return None
        return self.family.input_size(
            image_size, min_pixels=self.min_pixels, max_pixels=self.max_pixels
        )

    def prepare(self, request: Request) -> Prepared | GenerationError:
        """The body of a request, or why its image cannot be sent."""
        image_size = input_size = None
        url = None
        if request.image is not None:
            family = _AS_IT_IS if self.family is None else self.family
            limits = {"min_pixels": self.min_pixels, "max_pixels": self.max_pixels}
            sample_id = str(request.meta.get("id", ""))
            try:
                resized = resize_for(open_image(request.image, where=sample_id), family, **limits)
            except ValueError as error:
                return GenerationError("image", f"{error} (sample {sample_id!r})")
            image_size = resized.original_size
            input_size = None if family.factor is None else resized.size
            url = "data:image/png;base64," + base64.b64encode(resized.png).decode("ascii")
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
