"""The bodies of requests."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

__all__ = ["MAX_BATCH", "BadRequest", "Item", "PaddleRequest", "ScoreRequest", "read_body"]

MAX_BATCH = 8192
"""Most completions in one request."""

_MAX_VALUES = 131_072
_Texts = Annotated[list[str], FailFast()]


class PaddleRequest(BaseModel):
    """What PaddleNLP's `RewardTrainer.request_reward_server` sends: three lists of one length."""

    model_config = ConfigDict(extra="ignore")

    src: _Texts
    """Prompts, decoded; not used."""
    tgt: _Texts
    """Golds, tokenized and decoded again: special tokens may surround them."""
    response: _Texts
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

    items: Annotated[list[Item], FailFast(), Field(min_length=1)]
    """Completions, which may belong to different tasks."""


class BadRequest(ValueError):
    """A body that is no request; says what was expected, where, and what was found."""

    too_large = False
    """Whether it holds too much."""


class _TooLarge(BadRequest):
    too_large = True


_ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {
    model: TypeAdapter(model) for model in (PaddleRequest, ScoreRequest)
}


def read_body(model: type[BaseModel], body: bytes) -> Any:
    """A request from its JSON, in some tens of milliseconds at most.

    Raises:
        BadRequest: If it is none, or holds more than `MAX_BATCH` completions or 131,072 values.
    """
    # Values lie between commas. To read millions of them would take seconds, and a process that
    # reads does nothing else meanwhile.
    commas = body.count(b",")
    if commas > _MAX_VALUES:
        raise _TooLarge(
            f"expected at most {_MAX_VALUES} commas in a body, got {commas}: send smaller batches"
        )
    try:
        fields = from_json(body)
    except ValueError as error:
        raise BadRequest(f"Invalid JSON: {error}") from None
    if isinstance(fields, dict):
        size = max((len(part) for part in fields.values() if isinstance(part, list)), default=0)
        if size > MAX_BATCH:
            raise _TooLarge(f"expected at most {MAX_BATCH} completions, got {size}")
    try:
        return _ADAPTERS[model].validate_python(fields)
    except ValidationError as error:
        raise BadRequest(first_problem(error)) from None
