"""Coordinate frames of boxes, and the resizing that ties them to an image.

A frame is declared, per model family and per data set. It is never guessed from the numbers and
never chosen with the ground truth: an image-blind model can be made to look right by either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from vlreward.geometry import Box, Size
from vlreward.resizing import Resizing, smart_resize

__all__ = [
    "FAMILIES",
    "Frame",
    "MissingSizeError",
    "ModelFamily",
    "convert",
    "family_of",
    "smart_resize",
    "to_original",
]


class Frame(str, Enum):
    """What the numbers of a box are measured in."""

    ORIGINAL_PX = "original_px"
    """Pixels of the original image, after EXIF orientation."""
    INPUT_PX = "input_px"
    """Pixels of the image as the model sees it, after `smart_resize`."""
    NORM1000 = "norm1000"
    """Each axis from 0 to 1000."""
    NORM999 = "norm999"
    """Each axis from 0 to 999."""
    NORM1 = "norm1"
    """Each axis from 0 to 1."""

    __str__ = str.__str__

    def extent(
        self, image_size: Size | None, input_size: Size | None = None
    ) -> tuple[float, float] | None:
        """Largest (x, y) in this frame, or None if the size that it needs is not known."""
        if self is Frame.ORIGINAL_PX:
            return image_size
        if self is Frame.INPUT_PX:
            return input_size
        side = _NORM_SIDE[self]
        return side, side

    def check_sizes(self, image_size: Size | None, input_size: Size | None) -> None:
        """Check that boxes in this frame can be converted to original pixels.

        Raises:
            MissingSizeError: If a size is missing; names it.
        """
        if self is Frame.ORIGINAL_PX:
            return
        missing: Literal["image_size", "input_size"]
        if image_size is None:
            missing, what = "image_size", "of the original image"
        elif self is Frame.INPUT_PX and input_size is None:
            missing, what = "input_size", "of the image that the model sees"
        else:
            return
        raise MissingSizeError(
            missing,
            f"expected {missing}=(width, height) in pixels {what} for coordinates in frame "
            f"{self.value!r}, got None",
        )


class MissingSizeError(ValueError):
    """A size that a frame needs is not known; whoever catches it knows where to declare it."""

    def __init__(self, missing: Literal["image_size", "input_size"], message: str) -> None:
        super().__init__(message)
        self.missing = missing
        """Which one."""


_NORM_SIDE = {Frame.NORM1000: 1000.0, Frame.NORM999: 999.0, Frame.NORM1: 1.0}


def convert(
    box: Box,
    source: Frame,
    target: Frame,
    *,
    image_size: Size | None = None,
    input_size: Size | None = None,
) -> Box:
    """Convert a box between frames by scaling each axis with the ratio of the two extents.

    Args:
        box: Corners (x1, y1, x2, y2) in `source`.
        source: Frame of `box`.
        target: Frame wanted.
        image_size: (width, height) of the original image in pixels.
        input_size: (width, height) of the resized image in pixels.

    Raises:
        ValueError: If a size that one of the frames needs is None, or if scaling takes a corner
            out of the range of a double or two edges onto one.

    Example:
        >>> convert(Box(100, 250, 500, 1000), Frame.NORM1000, Frame.ORIGINAL_PX,
        ...         image_size=Size(640, 480))
        Box(x1=64.0, y1=120.0, x2=320.0, y2=480.0)
    """
    if source is target:
        return box
    extents = []
    for frame in (source, target):
        extent = frame.extent(image_size, input_size)
        if extent is None:
            name = "image_size" if frame is Frame.ORIGINAL_PX else "input_size"
            raise ValueError(f"expected {name}=(width, height) for frame {frame.value!r}, got None")
        extents.append(extent)
    (from_x, from_y), (to_x, to_y) = extents
    return Box(
        box.x1 * to_x / from_x,
        box.y1 * to_y / from_y,
        box.x2 * to_x / from_x,
        box.y2 * to_y / from_y,
    )


def to_original(
    box: Box, frame: Frame, *, image_size: Size | None = None, input_size: Size | None = None
) -> Box:
    """Convert a box in `frame` to pixels of the original image; see `convert`."""
    return convert(box, frame, Frame.ORIGINAL_PX, image_size=image_size, input_size=input_size)


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """How one family of models writes boxes and resizes images."""

    name: str
    """Lower-case name, e.g. `qwen2.5-vl`."""
    frame: Frame
    """Frame of the boxes that the family was trained to write."""
    prompt: str
    """Name of the prompt preset that its own evaluation uses for grounding."""
    factor: int | None = None
    """Multiple to which both sides are resized; None if the family does not use `smart_resize`."""
    min_pixels: int = 56 * 56
    """Default smallest area of the family's image processor."""
    max_pixels: int = 28 * 28 * 16384
    """Default largest area of the family's image processor."""

    def resizing(
        self, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> Resizing | None:
        """How the family's image processor resizes images, None if not by `smart_resize`.

        Args:
            min_pixels: Smallest area, if not the family's default.
            max_pixels: Largest area, if not the family's default.

        Raises:
            OptionError: If the limits leave no size.
        """
        if self.factor is None:
            return None
        return Resizing(
            self.factor,
            self.min_pixels if min_pixels is None else min_pixels,
            self.max_pixels if max_pixels is None else max_pixels,
        )

    def input_size(
        self, size: Size, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> Size | None:
        """(width, height) that the model sees for an image; see `resizing`."""
        resizing = self.resizing(min_pixels=min_pixels, max_pixels=max_pixels)
        return None if resizing is None else resizing.size(size)


_PX28 = {"factor": 28, "min_pixels": 56 * 56, "max_pixels": 28 * 28 * 16384}
_PX32 = {"factor": 32, "min_pixels": 256 * 256, "max_pixels": 4096 * 4096}

FAMILIES: dict[str, ModelFamily] = {
    family.name: family
    for family in (
        ModelFamily("qwen-vl", Frame.NORM999, "qwen-vl"),
        ModelFamily("qwen2-vl", Frame.NORM1000, "qwen2-vl", **_PX28),
        ModelFamily("qwen2.5-vl", Frame.INPUT_PX, "qwen2.5-vl", **_PX28),
        ModelFamily("qwen3-vl", Frame.NORM1000, "qwen3-vl", **_PX32),
        ModelFamily("internvl", Frame.NORM1000, "internvl"),
        ModelFamily("gemini", Frame.NORM1000, "qwen2.5-vl"),
    )
}
"""The known families by name."""


def family_of(model: str) -> ModelFamily:
    """The family that a model's name or `model_type` speaks of.

    Args:
        model: A model name, path or `model_type`, e.g. `Qwen/Qwen2.5-VL-3B-Instruct`,
            `qwen2_5_vl`.

    Raises:
        ValueError: If no family or more than one is named; lists the known ones.

    Example:
        >>> family_of("Qwen/Qwen2.5-VL-3B-Instruct").frame.value
        'input_px'
    """
    name = "".join(c for c in model.lower() if c.isalnum())
    keys = {key: "".join(c for c in key if c.isalnum()) for key in FAMILIES}
    found = [key for key, bare in keys.items() if bare in name]
    if len(found) != 1:
        raise ValueError(
            f"expected the name of one model family, got {model!r} which names "
            f"{found or 'none'}; known: {', '.join(FAMILIES)}. Declare the frame explicitly"
        )
    return FAMILIES[found[0]]
