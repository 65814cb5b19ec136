"""Requests made into a batch of tensors by a checkpoint's processor."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.data.images import image_size, open_image
from vlreward.engines.values import EngineError, GenerationError, Request
from vlreward.errors import OptionError
from vlreward.frames import smart_resize
from vlreward.geometry import Size

__all__ = ["Batch", "Preparer", "weight"]


@dataclass(frozen=True)
class Batch:
    """Requests that are generated together; lists of equal length."""

    requests: list[Request]
    """Those that can be generated."""
    image_sizes: list[Size | None]
    """(width, height) in pixels of each original image, upright."""
    input_sizes: list[Size | None]
    """(width, height) in pixels of each image as the model sees it, where known."""
    inputs: Any
    """The processor's tensors on the CPU; None without requests."""
    errors: list[tuple[str, GenerationError]]
    """Those that cannot, by key."""


class Preparer:
    """Opens and resizes images and tokenises, as the checkpoint's processor does it.

    Args:
        processor: The checkpoint's processor, padding on the left.
        min_pixels: Smallest image area; None for the checkpoint's.
        max_pixels: Largest image area; None for the checkpoint's.

    Raises:
        EngineError: If limits are given and the processor knows none.
        OptionError: If the limits contradict each other.
    """

    def __init__(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        self.processor = processor
        self._limit_pixels(min_pixels, max_pixels)

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) to which an image is resized, None if not by smart_resize."""
        resizing = self.resizing()
        return None if resizing is None else smart_resize(image_size, **resizing)

    def resizing(self) -> dict[str, int] | None:
        """Factor and limits by which images are resized, None if not by smart_resize."""
        processor = self.processor.image_processor
        merge, patch = (
            getattr(processor, "merge_size", None),
            getattr(processor, "patch_size", None),
        )
        limits = _limits(processor)
        if limits is None or not isinstance(merge, int) or not isinstance(patch, int):
            return None
        return {"factor": merge * patch, "min_pixels": limits[0], "max_pixels": limits[1]}

    def prepare(self, requests: Sequence[Request]) -> Batch:
        """Open, resize and tokenise; requests whose image cannot be shown become errors."""
        from PIL import Image as PILImage

        good: list[Request] = []
        images: list[Any] = []
        sizes: list[Size | None] = []
        errors: list[tuple[str, GenerationError]] = []
        for request in requests:
            try:
                image = original = None
                if request.image is not None:
                    image = open_image(request.image, where=str(request.meta.get("id", "")))
                    original = Size(*image.size)
                    # By Pillow, as the engine `openai` and the Qwen-VL utilities do it: the
                    # processor then leaves the image alone, whichever way it would resize.
                    if (size := self.input_size(original)) not in (None, original):
                        image = image.resize(size, PILImage.Resampling.BICUBIC)
            except ValueError as error:
                detail = f"{error} (sample {request.meta.get('id')!r})"
                errors.append((request.key, GenerationError("image", detail)))
                continue
            good.append(request)
            images.append(image)
            sizes.append(original)
        if not good:
            return Batch(good, sizes, [], None, errors)
        texts = [
            self.processor.apply_chat_template(
                request.messages, tokenize=False, add_generation_prompt=True
            )
            for request in good
        ]
        # One list of images per text is what processors of every family take.
        nested = [[image] for image in images] if images[0] is not None else None
        inputs = self.processor(text=texts, images=nested, padding=True, return_tensors="pt")
        return Batch(good, sizes, self._input_sizes(inputs, images), inputs, errors)

    def _input_sizes(self, inputs: Any, images: Sequence[Any]) -> list[Size | None]:
        """Sizes as the processor chose them, read from the grid of patches that it made."""
        grids = iter(inputs["image_grid_thw"].tolist() if "image_grid_thw" in inputs else ())
        patch = getattr(self.processor.image_processor, "patch_size", None)
        sizes: list[Size | None] = []
        for image in images:
            grid = None if image is None else next(grids, None)
            sizes.append(
                Size(grid[2] * patch, grid[1] * patch) if grid and isinstance(patch, int) else None
            )
        return sizes

    def _limit_pixels(self, min_pixels: int | None, max_pixels: int | None) -> None:
        if min_pixels is None and max_pixels is None:
            return
        processor = self.processor.image_processor
        limits = _limits(processor)
        if limits is None:
            raise EngineError(
                f"the image processor {type(processor).__name__} has no smallest and largest area: "
                "leave out --min-pixels and --max-pixels"
            )
        low = limits[0] if min_pixels is None else min_pixels
        high = limits[1] if max_pixels is None else max_pixels
        if not 0 < low <= high:
            raise OptionError(f"expected 0 < min_pixels <= max_pixels, got {low!r} and {high!r}")
        processor.size = {"shortest_edge": low, "longest_edge": high}


def weight(request: Request) -> tuple[int, int]:
    """Area of the image by its header, then length of the text: about how long the prompt is."""
    area = 0
    if request.image is not None:
        with contextlib.suppress(ValueError):  # Reported when the request is prepared.
            width, height = image_size(request.image)
            area = width * height
    return area, sum(len(str(message["content"])) for message in request.messages)


def _limits(processor: Any) -> tuple[int, int] | None:
    size = getattr(processor, "size", None)
    try:
        low, high = size["shortest_edge"], size["longest_edge"]  # type: ignore[index]
    except (KeyError, TypeError, AttributeError):
        return None
    return (low, high) if low and high and high > 4096 else None
