"""Coordinate frames of boxes and points, and the order of their axes.

A frame is declared, per model family and per data set. It is never guessed from the numbers and
never chosen with the ground truth: an image-blind model can be made to look right by either.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast

from vlreward._lazy import lazy_names
from vlreward.geometry import Box, Size
from vlreward.resizing import smart_resize

if TYPE_CHECKING:
    from vlreward.families import FAMILIES, ModelFamily, family_of

__all__ = [
    "BOXES",
    "FAMILIES",
    "AmbiguousBox",
    "AxisOrder",
    "Frame",
    "MissingSizeError",
    "ModelFamily",
    "NamedBox",
    "convert",
    "family_of",
    "smart_resize",
    "to_original",
    "x_first",
]

AxisOrder = Literal["xy", "yx"]
"""Which coordinate of a pair a model writes first."""

T = TypeVar("T", bound=tuple[float, ...])


class Frame(str, Enum):
    """What the numbers of a box are measured in."""

    ORIGINAL_PX = "original_px"
    """Pixels of the original image, after EXIF orientation."""
    INPUT_PX = "input_px"
    """Pixels of the image as the model sees it, after `smart_resize`."""
    NORM1024 = "norm1024"
    """Each axis from 0 to 1024, as the location tokens of PaliGemma count."""
    NORM1000 = "norm1000"
    """Each axis from 0 to 1000."""
    NORM999 = "norm999"
    """Each axis from 0 to 999."""
    NORM100 = "norm100"
    """Each axis from 0 to 100, per cent."""
    NORM1 = "norm1"
    """Each axis from 0 to 1."""

    __str__ = str.__str__

    @classmethod
    def _missing_(cls, value: object) -> Frame:
        raise ValueError(f"expected a frame, one of {', '.join(cls)}, got {value!r:.80}")

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


_NORM_SIDE = {
    Frame.NORM1024: 1024.0,
    Frame.NORM1000: 1000.0,
    Frame.NORM999: 999.0,
    Frame.NORM100: 100.0,
    Frame.NORM1: 1.0,
}


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


class NamedBox(Box):
    """A box whose text names its coordinates (`xmin`, `top` …): no order needs declaring."""

    __slots__ = ()
    axes: ClassVar[str] = "named"


class AmbiguousBox(Box):
    """A box under a key, or in tokens, that some families write y first, in the order written."""

    __slots__ = ()
    axes: ClassVar[str] = "ambiguous"


BOXES: dict[Any, type[Box]] = {kind.axes: kind for kind in (Box, NamedBox, AmbiguousBox)}
"""The kind of box by its `axes`, which files keep beside its numbers."""


def x_first(coordinates: T, order: AxisOrder | None) -> T | None:
    """A box or point as its family meant it, or None where nothing says how.

    Args:
        coordinates: A `Box` or a pair in the order written; a class attribute `axes` may say that
            the order is `named` by the text or `ambiguous`.
        order: The declared order. None is x first, but for what is ambiguous.

    Example:
        >>> x_first(Box(1, 2, 30, 40), "yx")
        Box(x1=2, y1=1, x2=40, y2=30)
        >>> x_first(AmbiguousBox(1, 2, 30, 40), None) is None
        True
    """
    axes = getattr(coordinates, "axes", "written")
    if axes == "named":
        return coordinates
    if order is None and axes == "ambiguous":
        return None
    if order != "yx":
        return coordinates
    kind: Any = Box if isinstance(coordinates, Box) else type(coordinates)
    return cast(T, kind(*(coordinates[i ^ 1] for i in range(len(coordinates)))))


__getattr__ = lazy_names(__name__, {"vlreward.families": "FAMILIES ModelFamily family_of"})[1]
