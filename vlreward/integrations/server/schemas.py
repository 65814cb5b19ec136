"""The bodies of requests."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator
from pydantic_core import from_json

from vlreward._text import first_problem, short
from vlreward.types import AxisOrder

__all__ = [
    "MAX_BATCH",
    "BadRequest",
    "Item",
    "PaddleRequest",
    "ScoreRequest",
    "parse_body",
    "read_fields",
]

MAX_BATCH = 8192
"""Most completions in one request."""

_MAX_VALUES = 131_072
_Body = TypeVar("_Body", bound=BaseModel)
_Texts = Annotated[list[str], FailFast()]


class _Closed(BaseModel):
    """An object without other fields than its own."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _fields_are_few(cls, value: Any) -> Any:
        """Each unknown field would be an error of its own, and there may be thousands."""
        if isinstance(value, dict) and len(value) > 2 * len(cls.model_fields):
            raise ValueError(f"expected the fields {', '.join(cls.model_fields)}, got {len(value)}")
        return value


class PaddleRequest(BaseModel):
    """What PaddleNLP's `RewardTrainer.request_reward_server` sends: three lists of one length."""

    model_config = ConfigDict(extra="ignore")

    src: _Texts
    """Prompts, decoded; not used."""
    tgt: _Texts
    """Golds, tokenized and decoded again: special tokens may surround them."""
    response: _Texts
    """Completions, decoded with their special tokens."""


class Item(_Closed):
    """One completion to score."""

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
    """Frame of predicted coordinates, if the gold does not say."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first, if the gold does not say."""
    metadata: dict[str, Any] | None = None
    """What else the data says of the row, if the gold does not."""
    truncated: bool = False
    """Whether generation stopped at the token limit."""


class ScoreRequest(_Closed):
    """A batch."""

    items: Annotated[list[Item], FailFast(), Field(min_length=1)]
    """Completions, which may belong to different tasks."""


class BadRequest(ValueError):
    """A body that is no request; says what was expected, where, and what was found."""

    too_large = False
    """Whether it holds too much."""


class _TooLarge(BadRequest):
    too_large = True


def parse_body(body: bytes) -> dict[str, Any]:
    """The fields of a request, in some twenty milliseconds at most.

    Raises:
        BadRequest: If they are none, or hold more than `MAX_BATCH` completions or 131,072 values.
    """
    # Values lie between commas. To read millions of them would take seconds, and a process that
    # reads does nothing else meanwhile.
    commas = body.count(b",")
    if commas > _MAX_VALUES:
        raise _TooLarge(
            f"expected at most {_MAX_VALUES} commas in a body, got {commas}: send smaller batches"
        )
    try:
        fields = from_json(body, cache_strings=False)
    except ValueError as error:
        raise BadRequest(f"Invalid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BadRequest(f"expected an object, got {short(fields)}")
    size = max((len(part) for part in fields.values() if isinstance(part, list)), default=0)
    if size > MAX_BATCH:
        raise _TooLarge(f"expected at most {MAX_BATCH} completions, got {size}")
    return fields


def read_fields(model: type[_Body], fields: dict[str, Any]) -> _Body:
    """A request from its fields, in some twenty milliseconds at most.

    Raises:
        BadRequest: If they are not those of `model`.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise BadRequest(first_problem(error)) from None
