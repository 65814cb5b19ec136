"""The typed values that travel from a completion to a score.

`Completion` goes into a parser, which returns `Parsed` or `ParseFailure`; the terms of a task turn
that into a `Score`. Golds are validated when a `Sample` is built, so scoring never meets a bad
one. Each task defines its own class of golds, see `vlreward.tasks`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from vlreward._text import short
from vlreward.frames import AxisOrder, Frame
from vlreward.geometry import Size

__all__ = [
    "UNSETTLED",
    "AnyGold",
    "AxisOrder",
    "Completion",
    "FailureCode",
    "Gold",
    "OtherGold",
    "ParseFailure",
    "Parsed",
    "Row",
    "Sample",
    "Score",
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


class Gold(BaseModel):
    """What a correct answer equals. Each task has a class of its own, derived from this one.

    A gold is read from what data sets write (`read`), checked when data is loaded (`check`,
    `remark`), and gives what answers are compared with (`target`). It survives JSON: its fields
    are what an envelope and a result file hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    task: str = Field(min_length=1)
    """Name of the task that this gold belongs to; derived classes give a default."""

    located: ClassVar[bool] = False
    """Whether the target lies in the image, so that answers need a declared frame."""

    @classmethod
    def read(cls, value: Any, task: str) -> Gold:
        """The gold that a bare value stands for.

        Args:
            value: What a data set or a trainer's column holds: any JSON value, a tuple, a numpy
                array or scalar; a text comes without special tokens and answer tags.
            task: Name of the task.

        Raises:
            ValueError: If the value is no gold of this kind; says what was expected and found.
        """
        raise NotImplementedError

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """Whether a bare gold in a data file that names no task is surely of this task.

        Args:
            value: As for `read`.
            typed: Whether the file writes numbers as numbers, so that a text of digits is a text.
        """
        return False

    def target(self, image_size: Size | None, input_size: Size | None) -> Any:
        """The value that judged answers are compared with; coordinates in original pixels.

        Args:
            image_size: (width, height) of the original image in pixels, if known.
            input_size: (width, height) of the image that the model sees, if known.

        Raises:
            ValueError: If a size that the gold's frame needs is None.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Look closer than validation does; called once for each gold when data is loaded.

        Raises:
            ValueError: If no answer could be compared with this gold.
        """

    def remark(self, image_size: Size, tolerance: float) -> str | None:
        """What a person should look at in a gold that lies in an image of this size.

        Args:
            image_size: (width, height) of the original image in pixels.
            tolerance: Pixels by which a coordinate may leave the image without a remark.

        Raises:
            ValueError: If the gold does not touch its image at all.
        """
        return None

    def text(self) -> str:
        """The gold for a person."""
        rest = self.model_dump(mode="json", exclude={"task"})
        value = rest["value"] if rest.keys() == {"value"} else rest
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def written(
        self,
        frame: Frame | None = None,
        image_size: Size | None = None,
        input_size: Size | None = None,
        *,
        axis_order: AxisOrder | None = None,
        whole_numbers: bool = False,
    ) -> str | None:
        """What a perfect model writes between the answer tags; None if that is not known.

        Args:
            frame: Frame of predicted coordinates, for golds that are `located`.
            image_size: (width, height) of the original image in pixels.
            input_size: (width, height) of the image that the model sees.
            axis_order: `yx` where the model writes y first; not given otherwise.
            whole_numbers: Round coordinates to whole numbers, on which some protocols insist.
        """
        return None


class OtherGold(Gold):
    """Gold of a task that needs no class of its own: any value that survives JSON."""

    value: Any
    """What answers are compared with; the task's judge and terms know its shape."""

    @field_validator("task")
    @classmethod
    def _has_no_class_of_its_own(cls, value: str) -> str:
        from vlreward.tasks import gold_class

        if (own := gold_class(value)) is not cls:
            raise ValueError(f"expected a gold of the class {own.__name__} for task {value!r}")
        return value

    @classmethod
    def read(cls, value: Any, task: str) -> OtherGold:
        """The value as it is; a text that holds JSON or a Python literal gives what it holds."""
        from vlreward.golds import literal

        return cls(task=task, value=literal(value))

    def target(self, image_size: Size | None, input_size: Size | None) -> Any:
        """The value."""
        return self.value


def _gold_of(value: Any) -> Any:
    """A gold from its fields: the class is that of the task that they name."""
    if not isinstance(value, dict):
        return value
    task = value.get("task")
    if not isinstance(task, str):
        raise ValueError(f"expected a gold with its 'task', got {short(value, 120)}")
    from vlreward.tasks import gold_class  # the tasks build on this module

    return gold_class(task).model_validate(value)


AnyGold = Annotated[SerializeAsAny[Gold], BeforeValidator(_gold_of)]
"""A field that holds the gold of any task; fields as a dict are resolved by their `task`."""

_ID = re.compile(r"\S(.*\S)?\Z", re.DOTALL)


class Sample(BaseModel):
    """One row of a data set: the question, its image, and the gold, validated when built."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    """Unique within its data set; non-empty, no white space at the ends."""
    question: str = ""
    """The problem text, without any instruction about the output format."""
    expression: str | None = None
    """The bare referring expression, for prompts that phrase the question themselves."""
    gold: AnyGold
    """What a correct answer equals."""
    image: str | None = None
    """Path or name of the image, as the data set gives it; resolved against an image root."""
    images: tuple[str, ...] = ()
    """All images in the order in which the model sees them, where there are several; `image` is
    the one that the gold lies in."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image, after EXIF orientation."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees, after resizing."""
    frame: Frame | None = None
    """Frame of predicted coordinates; None where answers have none."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first; None if nothing declares it."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the data set says; carried into result files, never scored."""

    @field_validator("id")
    @classmethod
    def _id_is_clean(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError(f"expected a non-empty id without outer white space, got {value!r}")
        return value

    @model_validator(mode="after")
    def _gold_lies_in_its_frame(self) -> Sample:
        self.gold.target(self.image_size, self.input_size)
        if self.images and self.image not in (None, *self.images):
            raise ValueError(f"expected an image among {self.images!r:.120}, got {self.image!r}")
        return self

    @property
    def task(self) -> str:
        """Name of the task that the gold belongs to."""
        return self.gold.task

    @property
    def every_image(self) -> tuple[str, ...]:
        """All images in the order in which the model sees them; none if there is none."""
        return self.images or (() if self.image is None else (self.image,))

    @cached_property
    def target(self) -> Any:
        """The gold's value as answers are compared with it; coordinates in original pixels."""
        return self.gold.target(self.image_size, self.input_size)


class Row(NamedTuple):
    """The part of a sample that scoring reads, for callers without a data set.

    Nothing is validated here: a reward builds one for each completion, from golds that it checks.
    """

    task: str
    """Name of the task."""
    target: Any
    """The gold's value as answers are compared with it; coordinates in original pixels."""
    frame: Frame | None = None
    """Frame of predicted coordinates."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees."""
    id: str = "row"
    """What error messages call it."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first."""
    metadata: Mapping[str, Any] = MappingProxyType({})
    """What else the data says of the row."""


UNSETTLED = (FailureCode.TIMEOUT, FailureCode.WORKER_DIED)
"""Codes of a verification that did not finish, which say nothing of the answer."""


class Score(NamedTuple):
    """What one completion earned, and how; `scoring` alone makes them."""

    value: float
    """Weighted sum of `terms` with the weights of the task; finite."""
    terms: dict[str, float]
    """Each reward term by name."""
    metrics: dict[str, float]
    """Each metric by name; the task's primary metric is what accuracy is the mean of."""
    failure: ParseFailure | None = None
    """Why there was no usable answer; None if there was one (right or wrong)."""
    answer: Any = None
    """The typed answer as the model wrote it: a `Box` in the prediction frame, an int, a text."""
    judged: Any = None
    """What the task's judge made of the answer: a `Box` in original pixels, an int, a `Verdict`."""
    span: tuple[int, int] | None = None
    """Half-open character range of the answer in the completion."""

    @property
    def unsettled(self) -> bool:
        """Whether a verification did not finish: `failure` says nothing of the answer then."""
        return self.failure is not None and self.failure.code in UNSETTLED


def __getattr__(name: str) -> Any:
    """The class of golds of a task under the name that it has there, e.g. of boxes or counts."""
    if name.endswith("Gold"):
        from vlreward.tasks import TASKS

        for task in TASKS:
            if (gold := TASKS.get(task).gold).__name__ == name:
                return gold
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
