"""The size at which a model's processor shows an image to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.frames import smart_resize
from vlreward.geometry import Size
from vlreward.training.arguments import OptionError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Resizing"]


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

    def size(self, size: Size) -> Size:
        """(width, height) at which the processor leaves an image alone.

        `smart_resize` is applied until nothing changes: once, unless the image is so thin that a
        side is pinned at `factor`.

        Raises:
            ValueError: If one side is more than 200 times the other, which processors refuse.
        """
        limits = {"min_pixels": self.min_pixels, "max_pixels": self.max_pixels}
        for _ in range(16):
            resized = smart_resize(size, factor=self.factor, **limits)
            if resized == size:
                return size
            size = resized
        raise ValueError(
            f"expected an image that can be resized to {self.min_pixels} to {self.max_pixels} "
            f"pixels with sides that are multiples of {self.factor}, got {size}"
        )

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
