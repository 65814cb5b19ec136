"""Requests made into a batch of tensors by a checkpoint's processor."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.data.images import image_size, open_image
from vlreward.engines.values import EngineError, GenerationError, Request
from vlreward.geometry import Size
from vlreward.resizing import Resizing

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
        images = processor.image_processor
        self.resizing = Resizing.of(images, min_pixels, max_pixels)
        """How images are resized; None if not by smart_resize."""
        if min_pixels is max_pixels is None:
            return
        if self.resizing is None:
            raise EngineError(
                f"the image processor {type(images).__name__} has no smallest and largest area: "
                "leave out --min-pixels and --max-pixels"
            )
        self.resizing.limit(images)

    def prepare(self, requests: Sequence[Request]) -> Batch:
        """Open, resize and tokenise; requests whose image cannot be shown become errors."""
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
                    if self.resizing is not None:
                        image = self.resizing.apply(image)
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


def weight(request: Request) -> tuple[int, int]:
    """Area of the image by its header, then length of the text: about how long the prompt is."""
    area = 0
    if request.image is not None:
        with contextlib.suppress(ValueError):  # Reported when the request is prepared.
            width, height = image_size(request.image)
            area = width * height
    return area, sum(len(str(message["content"])) for message in request.messages)
