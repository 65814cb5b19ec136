"""What golds that hold boxes say of one: whether it leaves its image, and how a model writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward._text import short
from vlreward.frames import AxisOrder, Frame, convert, x_first
from vlreward.geometry import Box, Size
from vlreward.gold_frames import BESIDE, COCO_KEYS, excess, in_corners, leaving

__all__ = [
    "LABEL_KEYS", "as_written", "box_under", "corners_and_frame", "leaves_image", "only",
]  # fmt: skip

LABEL_KEYS = ("label", "Label", "category_name", "category", "name", "class", "ref")
"""Keys that name what a box holds, the first one wins."""
_REMARKS = (
    *LABEL_KEYS, *COCO_KEYS, *BESIDE, "id", "caption", "description", "expression", "text", "score",
    "confidence", "Confidence", "segmentation", "task",
)  # fmt: skip


def only(value: Mapping[str, Any], *known: str) -> None:
    """Refuse keys that no reader of golds with boxes knows: they may say how a box is meant.

    Raises:
        ValueError: If there are any; names them.
    """
    if unknown := [key for key in value if key not in known and key not in _REMARKS]:
        raise ValueError(
            f"expected beside the box no keys but {', '.join(BESIDE)} and names of what it holds, "
            f"got {', '.join(map(repr, unknown))} in {short(value, 120)}"
        )


def corners_and_frame(value: Any) -> tuple[Any, dict[str, Frame]]:
    """A gold with its boxes as corners, and the frame that stands beside them, if one does.

    Raises:
        ValueError: If what stands there names no frame.
    """
    corners, frame = in_corners(value)
    return corners, {} if frame is None else {"frame": frame.frame}


def box_under(key: str, value: Mapping[str, Any]) -> Any:
    """The box under a key of a gold with its boxes as corners.

    Raises:
        ValueError: If COCO's box could not be made corners.
    """
    if key == "bbox" and any(k in value for k in COCO_KEYS):
        raise ValueError(f"expected COCO's (x, y, width, height), got {short(value[key], 120)}")
    return value[key]


def leaves_image(box: Box, frame: Frame, image_size: Size, tolerance: float) -> str | None:
    """By how much a gold box leaves its image, if by more than the tolerance.

    Args:
        box: Corners in `frame`.
        frame: Frame of the box; one whose extent the image's size does not tell gives None.
        image_size: (width, height) of the original image in pixels.
        tolerance: Pixels of the image that pass without a remark.

    Raises:
        ValueError: If the box does not touch its image.
    """
    extent = frame.extent(image_size)
    if extent is None:
        return None
    if box.clipped(*extent) is None:
        image = f"the image of {image_size.width} x {image_size.height} pixels"
        raise ValueError(f"expected a box in {image}, got {tuple(box)!r}, which does not touch it")
    beyond = excess(box, frame, image_size)
    if beyond is None or beyond <= tolerance:
        return None
    return f"the gold box {tuple(box)!r} {leaving(beyond, image_size, frame)}"


def as_written(
    box: Box,
    source: Frame,
    frame: Frame,
    image_size: Size | None = None,
    input_size: Size | None = None,
    *,
    axis_order: AxisOrder | None = None,
    whole_numbers: bool = False,
) -> list[float]:
    """The four numbers that a perfect model writes: within the frame, since published golds leave
    their image by up to a pixel.

    The arguments after the gold's box and frame are those of `vlreward.types.Gold.written`.

    Raises:
        ValueError: If a size that a frame needs is None.
    """
    there = convert(box, source, frame, image_size=image_size, input_size=input_size)
    extent = frame.extent(image_size, input_size)
    inside = x_first((there.clipped(*extent) if extent else None) or there, axis_order)
    assert inside is not None  # a box that is no more than corners is never ambiguous
    return [round(v) if whole_numbers else v for v in inside]
