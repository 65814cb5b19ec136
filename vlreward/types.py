"""The typed values that travel from a completion to a score.

`Completion` goes into a parser, which returns `Parsed` or `ParseFailure`; the terms of a task turn
that into a `Score`. Golds (`BoxGold`, `CountGold`, `MathGold`) are validated when a `Sample` is
built, so scoring never meets a bad one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_serializer,
    field_validator,
    model_validator,
)

from vlreward.frames import Frame, to_original
from vlreward.geometry import Box, Size

__all__ = [
    "BoxGold",
    "Completion",
    "CountGold",
    "FailureCode",
    "Gold",
    "MathGold",
    "OtherGold",
    "ParseFailure",
    "Parsed",
    "Row",
    "Sample",
    "Score",
    "plain_target",
]

T = TypeVar("T", covariant=True)


class FailureCode(str, Enum):
    """Why a completion has no usable answer. The value is what reports and result files show."""

    NO_ANSWER = "no_answer"
    """No answer region was found, e.g. no closed `<answer>`."""
    EMPTY_ANSWER = "empty_answer"
    """The answer region holds only white space."""
    MULTIPLE_ANSWERS = "multiple_answers"
    """Several answers that differ, where the task asks for one."""
    NO_BOX = "no_box"
    """The answer region holds no bounding box."""
    MULTIPLE_BOXES = "multiple_boxes"
    """Several boxes, where the task asks for one."""
    NO_POINT = "no_point"
    """The answer region holds no point."""
    MULTIPLE_POINTS = "multiple_points"
    """Several points, where the task asks for one."""
    AMBIGUOUS_AXES = "ambiguous_axes"
    """Numbers that some families write y first, and no declared order of the axes."""
    INVALID_BOX = "invalid_box"
    """Four numbers that are no box: x2 <= x1 or y2 <= y1."""
    OUT_OF_FRAME = "out_of_frame"
    """A box that leaves the declared coordinate frame."""
    BAD_NUMBER = "bad_number"
    """A number that is malformed, not finite, or not of the kind asked for."""
    TRUNCATED = "truncated"
    """No answer region, and generation stopped at the token limit."""
    TOO_LONG = "too_long"
    """The completion or its answer exceeds the parser's size cap."""
    TOO_COMPLEX = "too_complex"
    """The answer is refused before evaluation because it could not be evaluated in bounds."""
    UNPARSABLE_ANSWER = "unparsable_answer"
    """An answer that is no mathematical expression."""
    UNPARSABLE_GOLD = "unparsable_gold"
    """A gold that the verifier cannot read; normally refused when the data is loaded."""
    TIMEOUT = "timeout"
    """Verification did not finish before its deadline."""
    WORKER_DIED = "worker_died"
    """The process that verified the answer died."""

    __str__ = str.__str__


class Completion(NamedTuple):
    """One generated text, as the parser sees it."""

    text: str
    """The generated text alone: no prompt."""
    truncated: bool = False
    """True if generation stopped at the token limit (`finish_reason == "length"`)."""
    token_count: int | None = None
    """Number of generated tokens, where known."""


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """An answer that a parser found."""

    value: T
    """The typed answer, e.g. a `Box`, an `int` or an expression text."""
    span: tuple[int, int] | None = None
    """Half-open character range of the answer in the completion, for highlighting."""


@dataclass(frozen=True, slots=True)
class ParseFailure:
    """Why a parser found no answer. A failure is a value, never an exception."""

    code: FailureCode
    """The machine-readable reason."""
    detail: str = ""
    """At most 200 characters for a person: what was expected and what was found."""
    span: tuple[int, int] | None = None
    """Half-open character range that the failure is about, if any."""


class _Gold(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class BoxGold(_Gold):
    """Gold of referring expression comprehension: one axis-aligned box."""

    task: Literal["rec"] = "rec"
    """Task that this gold belongs to; the discriminator of `Gold`."""
    box: Box
    """Corners (x1, y1, x2, y2), x to the right and y down, in `frame`."""
    frame: Frame = Frame.ORIGINAL_PX
    """Coordinate frame of `box`."""

    @field_validator("box", mode="before")
    @classmethod
    def _from_sequence(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return Box.from_sequence(value)
        return value

    @field_serializer("box")
    def _to_list(self, box: Box) -> list[float]:
        return list(box)


class CountGold(_Gold):
    """Gold of item counting: a non-negative whole number."""

    task: Literal["counting"] = "counting"
    """Task that this gold belongs to; the discriminator of `Gold`."""
    count: int = Field(ge=0, strict=True)
    """Number of items."""


class MathGold(_Gold):
    """Gold of a problem with a symbolic answer."""

    task: Literal["geometry"] = "geometry"
    """Task that this gold belongs to; the discriminator of `Gold`."""
    expression: str = Field(min_length=1, max_length=512)
    """Plain text or LaTeX, with or without a unit, e.g. `2√{3}`, `145°`, `$9\\pi cm^{2}$`."""

    @field_validator("expression")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(f"expected an expression, got {value!r}")
        return value.strip()


class OtherGold(_Gold):
    """Gold of a task that a plug-in defines; the plug-in's judge and terms know its shape."""

    task: str = Field(min_length=1)
    """Name of the plug-in's task; none of the built-in ones."""
    value: Any
    """What the plug-in compares answers with; it must survive JSON."""

    @field_validator("task")
    @classmethod
    def _not_built_in(cls, value: str) -> str:
        if value in _BUILT_IN:
            raise ValueError(f"expected the name of a plug-in's task, got {value!r}")
        return value


_BUILT_IN = ("rec", "counting", "geometry")


def _kind_of(value: Any) -> str:
    task = value.get("task") if isinstance(value, dict) else getattr(value, "task", None)
    return task if task in _BUILT_IN else "other"


Gold = Annotated[
    Annotated[BoxGold, Tag("rec")]
    | Annotated[CountGold, Tag("counting")]
    | Annotated[MathGold, Tag("geometry")]
    | Annotated[OtherGold, Tag("other")],
    Discriminator(_kind_of),
]
"""Any gold; `task` tells which."""

_ID = re.compile(r"\S(.*\S)?\Z", re.DOTALL)


class Sample(BaseModel):
    """One row of a data set: the question, its image, and the gold, validated when built."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    """Unique within its data set; non-empty, no white space at the ends."""
    question: str = ""
    """The problem text, without any instruction about the output format."""
    expression: str | None = None
    """REC only: the bare referring expression, for prompts that phrase the question themselves."""
    gold: Gold
    """What a correct answer equals."""
    image: str | None = None
    """Path or name of the image, as the data set gives it; resolved against an image root."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image, after EXIF orientation."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees, after resizing."""
    frame: Frame | None = None
    """Coordinate frame of predicted boxes; None where the task has no boxes."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the data set says; carried into result files, never scored."""

    @field_validator("id")
    @classmethod
    def _id_is_clean(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError(f"expected a non-empty id without outer white space, got {value!r}")
        return value

    @field_validator("image_size", "input_size", mode="before")
    @classmethod
    def _size_from_sequence(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return Size.from_sequence(value)
        return value

    @model_validator(mode="after")
    def _gold_lies_in_its_frame(self) -> Sample:
        if isinstance(self.gold, BoxGold):
            self.gold.frame.check_sizes(self.image_size, self.input_size)
        return self

    @property
    def task(self) -> str:
        """Name of the task that the gold belongs to."""
        return self.gold.task

    @cached_property
    def target(self) -> Any:
        """The gold's value as answers are compared with it; a box in original pixels."""
        gold = self.gold
        if isinstance(gold, BoxGold):
            sizes = {"image_size": self.image_size, "input_size": self.input_size}
            return to_original(gold.box, gold.frame, **sizes)
        return plain_target(gold)


def plain_target(gold: CountGold | MathGold | OtherGold) -> Any:
    """The value of a gold that lies in no frame."""
    if isinstance(gold, CountGold):
        return gold.count
    return gold.expression if isinstance(gold, MathGold) else gold.value


class Row(NamedTuple):
    """The part of a sample that scoring reads, for callers without a data set.

    Nothing is validated here: a reward builds one for each completion, from golds that it checks.
    """

    task: str
    """Name of the task."""
    target: Any
    """The gold's value as answers are compared with it; a box in original pixels."""
    frame: Frame | None = None
    """Coordinate frame of predicted boxes."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees."""
    id: str = "row"
    """What error messages call it."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one completion earned, and how."""

    value: float
    """Weighted sum of `terms` with the weights of the task; finite."""
    terms: dict[str, float]
    """Each reward term by name."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Each metric by name; the task's primary metric is what accuracy is the mean of."""
    failure: ParseFailure | None = None
    """Why there was no usable answer; None if there was one (right or wrong)."""
    answer: Any = None
    """The typed answer as the model wrote it: a `Box` in the prediction frame, an int, a text."""
    judged: Any = None
    """What the task's judge made of the answer: a `Box` in original pixels, an int, a `Verdict`."""
    span: tuple[int, int] | None = None
    """Half-open character range of the answer in the completion."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"expected a finite score, got {self.value!r} from {self.terms!r}")
