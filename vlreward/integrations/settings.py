"""What a reward can be told, from the environment or by a trainer's own options."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vlreward._text import first_problem
from vlreward.frames import Frame, family_of
from vlreward.task import weight_of
from vlreward.types import AxisOrder

__all__ = ["PREFIX", "Settings"]

PREFIX = "VLREWARD_"
"""Prefix of the environment variables: the field `frame` is `VLREWARD_FRAME`."""


class Settings(BaseModel):
    """How completions are scored. Each field has an environment variable of its name.

    Example:
        >>> Settings.from_environment({"VLREWARD_FRAME": "norm1000", "VLREWARD_WEIGHTS": "iou=2"})
        Settings(task=None, frame=<Frame.NORM1000: 'norm1000'>, family=None, min_pixels=None, \
max_pixels=None, axis_order=None, protocol='strict', weights={'iou': 2.0}, clip=False, deadline=5.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    """Task of golds that are no envelopes; envelopes name their own."""
    frame: Frame | None = None
    """Coordinate frame of predicted boxes, for golds that declare none."""
    family: str | None = None
    """Model family, for the frame and the input size, for golds that declare none."""
    min_pixels: int | None = Field(default=None, gt=0)
    """Smallest area in pixels at which the processor shows an image, if not the family's."""
    max_pixels: int | None = Field(default=None, gt=0)
    """Largest such area, if not the family's."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first, `xy` or `yx`, for golds that declare
    none."""
    protocol: str = "strict"
    """Whose rules: `strict`, or `vlm-r1`, `paddlemix`, `r1-v` for published training rewards."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Weights of terms, by `term` or `task.term`; as text `iou=1,format=0.5`. An extra term, such
    as `giou`, counts only if it has a weight here."""
    clip: bool = False
    """Clip boxes to their frame; by default a box that leaves it fails."""
    deadline: float = Field(default=5.0, gt=0, le=600)
    """Seconds that one symbolic comparison may take in a worker process."""

    @field_validator("frame", mode="before")
    @classmethod
    def _frame_by_name(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in list(Frame):
            raise ValueError(f"expected one of {', '.join(Frame)}, got {value!r}")
        return value

    @field_validator("family")
    @classmethod
    def _family_is_known(cls, value: str | None) -> str | None:
        return None if value is None else family_of(value).name

    @field_validator("weights", mode="before")
    @classmethod
    def _weights_from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return dict(value) if isinstance(value, Mapping) else value
        weights: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in value.split(","))):
            name, _, number = (piece.strip() for piece in part.partition("="))
            if name in weights:
                raise ValueError(f"expected each term once, got {name!r} again in {value!r}")
            weights[name] = weight_of(
                number if name else "",
                f"expected term=weight pairs such as 'iou=1,format=0.5', got {value!r}",
            )
        return weights

    @field_validator("weights")
    @classmethod
    def _weights_are_finite(cls, value: dict[str, float]) -> dict[str, float]:
        for name, weight in value.items():
            if not abs(weight) <= 1e6:
                raise ValueError(f"expected a weight within 1e6 of 0 for {name!r}, got {weight!r}")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from `VLREWARD_*` variables; empty ones count as not set.

        Raises:
            ValueError: If a value is bad, or a variable looks like a misspelt one; names it.
        """
        environment = os.environ if environment is None else environment
        given = {}
        for name, value in environment.items():
            if not name.startswith(PREFIX) or not value:
                continue
            field = name[len(PREFIX) :].lower()
            if field in cls.model_fields:
                given[field] = value
            else:
                _refuse_near_miss(name, [PREFIX + known.upper() for known in cls.model_fields])
        return _validated(cls, given, PREFIX)

    def updated(self, options: Mapping[str, Any]) -> Settings:
        """These settings with a trainer's own options in place of some.

        Args:
            options: Values by field name; None keeps what is. Other names are a trainer's own
                arguments and ignored, unless they look like a misspelt field.

        Raises:
            ValueError: If a value is bad, or a name looks like a misspelt one; names it.
        """
        fields = type(self).model_fields
        given = {}
        for name, value in options.items():
            if name not in fields:
                _refuse_near_miss(name, fields)
            elif value is not None:
                given[name] = value
        if not given:
            return self
        return _validated(type(self), {**self.model_dump(), **given}, "")


def _refuse_near_miss(name: str, known: Any) -> None:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.85)
    if near:
        raise ValueError(f"unknown setting {name!r}; did you mean {near[0]!r}?")


def _validated(cls: type[Settings], fields: dict[str, Any], prefix: str) -> Settings:
    try:
        return cls.model_validate(fields)
    except ValidationError as error:
        found = first_problem(error, name=lambda field: prefix + field.upper() if prefix else field)
        raise ValueError(found) from None
