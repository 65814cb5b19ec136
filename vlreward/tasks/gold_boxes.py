"""What golds that hold boxes say of one: whether it leaves its image, and how a model writes it."""

from __future__ import annotations

from vlreward.frames import Frame, convert
from vlreward.geometry import Box, Size

__all__ = ["as_written", "leaves_image"]


def leaves_image(box: Box, frame: Frame, image_size: Size, tolerance: float) -> str | None:
    """By how much a gold box leaves its image, if by more than the tolerance.

    Args:
        box: Corners in `frame`.
        frame: Frame of the box; one whose extent the image's size does not tell gives None.
        image_size: (width, height) of the original image in pixels.
        tolerance: Units of the frame that pass without a remark.

    Raises:
        ValueError: If the box does not touch its image.
    """
    extent = frame.extent(image_size)
    if extent is None:
        return None
    image = f"the image of {image_size.width} x {image_size.height} pixels"
    if box.clipped(*extent) is None:
        raise ValueError(f"expected a box in {image}, got {tuple(box)!r}, which does not touch it")
    excess = max(-box.x1, -box.y1, box.x2 - extent[0], box.y2 - extent[1])
    return (
        f"the gold box {tuple(box)!r} leaves {image} by {excess:g}" if excess > tolerance else None
    )


def as_written(
    box: Box,
    source: Frame,
    frame: Frame,
    image_size: Size | None,
    input_size: Size | None,
    *,
    whole_numbers: bool,
) -> list[float]:
    """The four numbers that a perfect model writes: within the frame, since published golds leave
    their image by up to a pixel.

    Args:
        box: Corners in `source`.
        source: Frame of the gold.
        frame: Frame in which the model writes.
        image_size: (width, height) of the original image in pixels.
        input_size: (width, height) of the image that the model sees.
        whole_numbers: Round to whole numbers.

    Raises:
        ValueError: If a size that a frame needs is None.
    """
    there = convert(box, source, frame, image_size=image_size, input_size=input_size)
    extent = frame.extent(image_size, input_size)
    inside = (there.clipped(*extent) if extent else None) or there
    return [round(v) if whole_numbers else v for v in inside]
