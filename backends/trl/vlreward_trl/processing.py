"""The processor of a model, with the limits of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlreward.engines.processor import load_processor, save_with_video
from vlreward.errors import OptionError
from vlreward.resizing import Resizing

__all__ = ["load"]


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
        OptionError: If there is no processor, or it is none of the Qwen-VL family's, or the limits
            exclude each other.
    """
    options: dict[str, Any] = {}
    if revision not in (None, "main"):
        options["revision"] = revision
    if trust_remote_code:
        options["trust_remote_code"] = True
    try:
        processor = load_processor(name, **options)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise OptionError(f"no processor could be loaded from {name!r}: {said}") from error
    images = processor.image_processor
    resizing = Resizing.of(images, min_pixels, max_pixels)
    if resizing is None:
        raise OptionError(
            f"expected the processor of a Qwen-VL model in {name!r}, which limits areas, got "
            f"{type(images).__name__}"
        )
    resizing.limit(images)
    processor.tokenizer.padding_side = "left"
    save_with_video(processor, Path(name))
    return processor, resizing
