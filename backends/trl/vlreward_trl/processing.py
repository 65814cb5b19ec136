"""The processor, and the size at which it shows an image to the model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlreward.bench.engines._processor import load_processor
from vlreward.frames import smart_resize
from vlreward.geometry import Size
from vlreward_trl.arguments import OptionError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Resizing", "load"]

_VIDEO_CONFIG = "video_preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class Resizing:
    """How a processor resizes images, so that they can be handed to it at their final size.

    The reward must know the size that the model saw, and generation engines that ignore the
    limits of a Python-side processor must see it too.
    """

    factor: int
    """Multiple that both sides become: patch size times merge size."""
    min_pixels: int
    """Smallest area in pixels."""
    max_pixels: int
    """Largest area in pixels."""

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

    def check(self, processor: Any, image: Image) -> None:
        """Check against the processor itself that it leaves a resized image alone.

        Raises:
            ValueError: If it does not; then boxes and rewards would be in different frames.
        """
        patch = processor.image_processor.patch_size
        grid = processor.image_processor(images=[image], return_tensors="pt")["image_grid_thw"]
        seen = Size(int(grid[0, 2]) * patch, int(grid[0, 1]) * patch)
        if seen != image.size:
            raise ValueError(
                f"the processor {type(processor).__name__} resizes an image of {image.size} to "
                f"{tuple(seen)}; expected it to stay as it is with {self}"
            )


def load(
    name: str,
    *,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> tuple[Any, Resizing]:
    """Load the processor of a model with other limits, if any are given.

    Without torchvision the processor has no video part; what it saves, stock `AutoProcessor`
    loads where torchvision is installed.

    Raises:
        OptionError: If the processor is none of the Qwen-VL family's, or the limits exclude
            each other.
    """
    options: dict[str, Any] = {}
    if revision not in (None, "main"):
        options["revision"] = revision
    if trust_remote_code:
        options["trust_remote_code"] = True
    processor = load_processor(name, **options)
    images = processor.image_processor
    missing = [key for key in ("patch_size", "merge_size") if not hasattr(images, key)]
    if missing:
        raise OptionError(
            f"expected the processor of a Qwen-VL model in {name!r}, got {type(images).__name__} "
            f"without {', '.join(missing)}"
        )
    size = dict(images.size)
    low = size["shortest_edge"] if min_pixels is None else min_pixels
    high = size["longest_edge"] if max_pixels is None else max_pixels
    factor = images.patch_size * images.merge_size
    if not factor * factor <= low <= high:
        raise OptionError(
            f"expected {factor * factor} <= min_pixels <= max_pixels, got min_pixels={low!r} and "
            f"max_pixels={high!r} for {name!r}"
        )
    # Both, as newer processors keep the same limits in one place and older ones in two.
    images.size = {"shortest_edge": low, "longest_edge": high}
    for key, value in (("min_pixels", low), ("max_pixels", high)):
        if getattr(images, key, None) is not None:
            setattr(images, key, value)
    processor.tokenizer.padding_side = "left"
    if "video_processor" not in processor.get_attributes():
        _save_with_video(processor, Path(name))
    return processor, Resizing(factor, low, high)


def _save_with_video(processor: Any, source: Path) -> None:
    """Let a processor without its video part save what the stock processor loads.

    That one looks for the video part in a file of its own, else in that of the image part.
    """
    base = type(processor)

    def save_pretrained(self: Any, save_directory: str | Path, **kwargs: Any) -> Any:
        saved = base.save_pretrained(self, save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory)
        if (source / _VIDEO_CONFIG).is_file():
            shutil.copyfile(source / _VIDEO_CONFIG, Path(save_directory) / _VIDEO_CONFIG)
        return saved

    processor.__class__ = type(base.__name__, (base,), {"save_pretrained": save_pretrained})
