"""The bodies of requests."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

__all__ = ["BadRequest", "Item", "PaddleRequest", "ScoreRequest", "read_body"]


class PaddleRequest(BaseModel):
    """What PaddleNLP's `RewardTrainer.request_reward_server` sends: three lists of one length."""

    model_config = ConfigDict(extra="ignore")

    src: list[str]
    """Prompts, decoded; not used."""
    tgt: list[str]
    """Golds, tokenized and decoded again: special tokens may surround them."""
    response: list[str]
    """Completions, decoded with their special tokens."""


class Item(BaseModel):
    """One completion to score."""

    model_config = ConfigDict(extra="forbid")

    completion: str
    """The generated text alone."""
    gold: Any
    """Gold envelope, or a bare gold."""
    task: str | None = None
    """Task of a bare gold."""
    image_size: tuple[float, float] | None = None
    """(width, height) in pixels of the original image, if the gold does not say."""
    input_size: tuple[float, float] | None = None
    """(width, height) in pixels of the image that the model sees, if the gold does not say."""
    frame: str | None = None
    """Coordinate frame of predicted boxes, if the gold does not say."""
    truncated: bool = False
    """Whether generation stopped at the token limit."""


class ScoreRequest(BaseModel):
    """A batch."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1)
    """Completions, which may belong to different tasks."""


class BadRequest(ValueError):
    """A body that is no request; says what was expected, where, and what was found."""


_ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {
    model: TypeAdapter(model) for model in (PaddleRequest, ScoreRequest)
}


def read_body(model: type[BaseModel], body: bytes) -> Any:
    """A request from its JSON.

    Raises:
        BadRequest: If it is none.
    """
    try:
        return _ADAPTERS[model].validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{where}: {first['msg']}" if where else first["msg"]) from None
