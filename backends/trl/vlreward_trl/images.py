"""Images of a batch, each prepared once, however many completions see it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from transformers import BatchFeature

__all__ = ["image_key", "prepared_once"]


def image_key(image: Any) -> Hashable:
    """What only equal images have in common; of what is no flat PIL image, only the same object.

    Example:
        >>> image_key(Image.new("RGB", (2, 1))) == image_key(Image.new("RGB", (2, 1)))
        True
    """
    if isinstance(image, Image.Image) and image.mode in ("RGB", "L"):
        return image.mode, image.size, image.tobytes()
    return id(image)


@contextmanager
def prepared_once(processor: Any) -> Iterator[None]:
    """Let an image processor of the Qwen-VL family prepare equal images once while this is open.

    TRL 1.16 has every image of a batch prepared twice, for the prompt and for scoring, and the
    completions of a question each bring a copy of theirs.

    Args:
        processor: The image processor, which gives `pixel_values`, patches of all images one after
            the other, and `image_grid_thw`.
    """
    # Images are kept with what was made of them: another one cannot have the same `id`.
    known: dict[Hashable, tuple[torch.Tensor, torch.Tensor, Any]] = {}
    before = vars(processor).get("preprocess")
    plain = processor.preprocess

    def preprocess(images: Any, *args: Any, **kwargs: Any) -> Any:
        given = _flat(images)
        if args or not given or kwargs.get("return_tensors") not in (None, "pt"):
            return plain(images, *args, **kwargs)
        settings = repr(sorted((k, v) for k, v in kwargs.items() if k != "return_tensors"))
        keys = [(settings, image_key(image)) for image in given]
        missing = {key: image for key, image in zip(keys, given) if key not in known}
        if missing:
            made = plain(list(missing.values()), **{**kwargs, "return_tensors": "pt"})
            grids = made["image_grid_thw"]
            parts = made["pixel_values"].split(grids.prod(-1).tolist())
            for (key, image), part, grid in zip(missing.items(), parts, grids, strict=True):
                known[key] = part, grid, image
        parts, grids, _ = zip(*(known[key] for key in keys))
        return BatchFeature(
            {"pixel_values": torch.cat(parts), "image_grid_thw": torch.stack(grids)}
        )

    processor.preprocess = preprocess
    try:
        yield
    finally:
        del processor.preprocess
        if before is not None:
            processor.preprocess = before


def _flat(images: Any) -> list[Any]:
    """Images of a nested list, in order."""
    if not isinstance(images, Sequence) or isinstance(images, str):
        return [images]
    return [image for each in images for image in _flat(each)]
