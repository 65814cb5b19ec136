"""How answers write their coordinates: the nearest declaration holds; never guessed.

Of frame, order of the axes and size of the image as it was seen alike: what a row says (in a
column, else in its gold's envelope), then the options, then the model's family. Where a run tells a
model how to write (training, packing, asking it), the options come before the rows. The frame of
golds is another matter: see `vlreward.gold_frames`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vlreward.errors import OptionError
from vlreward.frames import AxisOrder, Frame
from vlreward.geometry import Size
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    from vlreward.families import ModelFamily
    from vlreward.types import Sample

__all__ = ["COMMON_LIMIT", "UNDECLARED", "AnswerFrames", "assumed_text", "needs_seen"]

COMMON_LIMIT = 401_408
"""Largest area in pixels that the scripts of VLM-R1, R1-V and PaddleMIX all show unchanged."""


@dataclass(frozen=True, slots=True)
class AnswerFrames:
    """What is declared for all rows of what a model writes; asked for each row with its own.

    Example:
        >>> said = AnswerFrames(Frame.NORM1)
        >>> said.frame_of(None).value, said.frame_of(Frame.NORM1000).value
        ('norm1', 'norm1000')
    """

    frame: Frame | None = None
    """Frame of the coordinates, by an option."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a pair comes first, by an option."""
    family: ModelFamily | None = None
    """Model family, for what nothing else says."""
    resizing: Resizing | None = None
    """How images are resized, where their largest area is declared."""
    over_rows: bool = False
    """Whether the options come before what rows say."""

    @classmethod
    def of_options(
        cls,
        frame: Frame | None,
        axis_order: AxisOrder | None,
        family: ModelFamily | None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> AnswerFrames:
        """What options declare; the limits are those of the image as the model sees it.

        Raises:
            OptionError: If there are limits and no family that resizes by them, or if they leave
                no size.
        """
        if min_pixels is None and max_pixels is None:
            return cls(frame, axis_order, family)
        resizing = family.resizing(min_pixels=min_pixels, max_pixels=max_pixels) if family else None
        if family is None or resizing is None:
            raise OptionError("--min-pixels and --max-pixels need a --family that resizes by them")
        if max_pixels is None:  # the largest area, which `resizing` is to declare, is the family's
            family, resizing = replace(family, min_pixels=resizing.min_pixels), None
        return cls(frame, axis_order, family, resizing)

    def frame_of(self, own: Frame | None) -> Frame | None:
        """The frame of a row's answer, None if nothing says it; `own` is what the row says."""
        nearest = (self.frame or own) if self.over_rows else (own or self.frame)
        return nearest or (self.family.frame if self.family else None)

    def order_of(self, own: AxisOrder | None) -> AxisOrder | None:
        """Which coordinate comes first in a row's answer; `own` is what the row says."""
        nearest = (self.axis_order or own) if self.over_rows else (own or self.axis_order)
        return nearest or (self.family.axis_order if self.family else None)

    def seen(self, own: Size | None, image_size: Size | None) -> Size | None:
        """(width, height) at which the model sees an image, if known; `own` is what the row says.

        Raises:
            ValueError: If the family takes no such image.
        """
        if own is not None or image_size is None:
            return own
        limits = self.limits
        return None if limits is None else limits.size(image_size)

    @property
    def limits(self) -> Resizing | None:
        """How images are resized, by what is declared or else as the family does."""
        return self.resizing or (self.family.resizing() if self.family else None)

    def assumes(self, own: Size | None, seen: Size | None) -> bool:
        """Whether `seen` rests on the limits of the family's own processor.

        They change nothing of an image that fits into those of common recipes.
        """
        if own is not None or seen is None or self.resizing is not None:
            return False
        return seen.width * seen.height > COMMON_LIMIT


UNDECLARED = AnswerFrames()
"""Nothing is declared but by the rows."""


def needs_seen(sample: Sample) -> bool:
    """Whether coordinates of a sample are pixels of the image as the model sees it."""
    return Frame.INPUT_PX in (sample.frame, getattr(sample.gold, "frame", None))


def assumed_text(rows: int, shown_by: str) -> str:
    """What to say of rows whose size as seen was assumed, see `AnswerFrames.assumes`."""
    return (
        f"{rows} rows have images of more than {COMMON_LIMIT:,} pixels, taken to be shown as the "
        f"family's processor does: give --max-pixels if {shown_by} has another limit, else boxes "
        "are in the wrong pixels"
    )
