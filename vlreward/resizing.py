"""The size at which a model's image processor shows an image to it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vlreward.errors import OptionError
from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_RATIO", "Resizing", "smart_resize"]

MAX_RATIO = 200
"""Largest ratio of an image's sides that the families' processors take."""


def smart_resize(
    size: Size,
    *,
    factor: int = 28,
    min_pixels: int = 56 * 56,
    max_pixels: int = 28 * 28 * 1280,
) -> Size:
    """The size to which the Qwen-VL image processors resize an image.

    Both sides become multiples of `factor` near the original, and the area stays within
    [min_pixels, max_pixels] by shrinking (rounding down) or growing (rounding up) both sides by
    the same ratio. The result is a fixed point: resizing it again changes nothing, unless the
    aspect ratio is so extreme that one side is pinned at `factor`.

    Args:
        size: (width, height) in pixels of the original image. Note: transformers' function of
            the same name takes (height, width).
        factor: Patch size times merge size: 28 for Qwen2-VL and Qwen2.5-VL, 32 for Qwen3-VL.
        min_pixels: Smallest area in pixels.
        max_pixels: Largest area in pixels.

    Raises:
        ValueError: If a side is not positive, or if the longer side is more than 200 times the
            shorter one, as the image processors refuse such an image.

    Source: Wang et al. 2024, Qwen2-VL, section 2.1, and the image processor released with it.

    Example:
        >>> smart_resize(Size(640, 428))
        Size(width=644, height=420)
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise ValueError(f"expected positive sides, got width={width}, height={height}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ValueError(
            f"expected an aspect ratio of at most 200, got width={width}, height={height}"
        )
    new_width, new_height = (round(side / factor) * factor for side in (width, height))
    if new_width * new_height > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        new_width, new_height = (
            max(factor, math.floor(side / shrink / factor) * factor) for side in (width, height)
        )
    elif new_width * new_height < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        new_width, new_height = (
            math.ceil(side * grow / factor) * factor for side in (width, height)
        )
    return Size(new_width, new_height)


@dataclass(frozen=True, slots=True)
class Resizing:
    """How a processor resizes images, so that they can be handed to it at their final size.

    The reward must know the size that the model saw, and generation engines that ignore the
    limits of a Python-side processor must see it too.

    Raises:
        OptionError: If the limits leave no size.
    """

    factor: int
    """Multiple that both sides become: patch size times merge size."""
    min_pixels: int
    """Smallest area in pixels."""
    max_pixels: int
    """Largest area in pixels."""

    def __post_init__(self) -> None:
        if not self.factor**2 <= self.min_pixels <= self.max_pixels:
            raise OptionError(
                f"expected {self.factor**2} <= min_pixels <= max_pixels, got min_pixels="
                f"{self.min_pixels!r} and max_pixels={self.max_pixels!r}"
            )

    @classmethod
    def of(
        cls, image_processor: Any, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> Resizing | None:
        """How an image processor of transformers resizes images, None if not by `smart_resize`.

        Args:
            image_processor: The image processor.
            min_pixels: Smallest area that it shall have, if not its own.
            max_pixels: Largest area that it shall have, if not its own.

        Raises:
            OptionError: If the limits leave no size.
        """
        patch = getattr(image_processor, "patch_size", None)
        merge = getattr(image_processor, "merge_size", None)
        size = getattr(image_processor, "size", None)
        try:
            low, high = size["shortest_edge"], size["longest_edge"]  # type: ignore[index]
        except (KeyError, TypeError, AttributeError):
            return None
        # Processors that limit sides rather than areas use the same keys.
        areas = low and high and high > 4096
        if not (areas and isinstance(patch, int) and isinstance(merge, int)):
            return None
        return cls(
            patch * merge,
            low if min_pixels is None else min_pixels,
            high if max_pixels is None else max_pixels,
        )

    def limit(self, image_processor: Any) -> None:
        """Give an image processor these limits."""
        image_processor.size = {
            "shortest_edge": self.min_pixels,
            "longest_edge": self.max_pixels,
        }
        # Older ones keep the same limits in two places.
        for key in ("min_pixels", "max_pixels"):
            if getattr(image_processor, key, None) is not None:
                setattr(image_processor, key, getattr(self, key))

    def size(self, size: Size) -> Size:
        """(width, height) at which the processor leaves an image alone.

        `smart_resize` is applied until nothing changes: once, unless the image is so thin that a
        side is pinned at `factor`.

        Raises:
            ValueError: If one side is more than 200 times the other, which processors refuse.
        """
        limits = asdict(self)
        found = size
        for _ in range(16):
            before, found = found, smart_resize(found, **limits)
            if found == before:
                return found
        raise ValueError(
            f"expected an image that can be resized to {self.min_pixels} to {self.max_pixels} "
            f"pixels with sides that are multiples of {self.factor}, got {tuple(size)}"
        )

    def rounded(self, size: Size) -> Size | None:
        """(width, height) where rounding to the factor alone gives it, None where a limit binds.

        Then every processor of the family comes to the same size from the original image, as long
        as its own limits let pass an image of that size.
        """
        if min(size) < self.factor or max(size) > MAX_RATIO * min(size):
            return None
        width, height = (round(side / self.factor) * self.factor for side in size)
        fits = self.min_pixels <= width * height <= self.max_pixels
        return Size(width, height) if fits else None

    def apply(self, image: Image) -> Image:
        """The image at that size, by bicubic interpolation as the processors do it."""
        from PIL import Image as PILImage

        size = self.size(Size(*image.size))
        if tuple(size) == image.size:
            return image
        return image.resize(size, PILImage.Resampling.BICUBIC)

    def check(self, image_processor: Any, image: Image, *, tensors: str) -> None:
        """Check against an image processor itself that it leaves a resized image alone.

        Args:
            image_processor: The image processor of transformers.
            image: An image as `apply` gives it.
            tensors: The `return_tensors` that the processor can give: `pt` or `np`.

        Raises:
            ValueError: If it does not; then boxes and rewards would be in different frames.
        """
        patch = image_processor.patch_size
        grid = image_processor(images=[image], return_tensors=tensors)["image_grid_thw"]
        seen = Size(int(grid[0, 2]) * patch, int(grid[0, 1]) * patch)
        if seen != image.size:
            raise ValueError(
                f"{type(image_processor).__name__} resizes an image of {image.size} to "
                f"{tuple(seen)}; expected it to stay as it is with {self}"
            )
