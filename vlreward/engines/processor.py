"""Loading a checkpoint's processor, also where torchvision is missing."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

__all__ = ["PROCESSOR_FILES", "load_processor", "save_with_video"]

PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
"""Files of which a directory with a processor has at least one."""
_VIDEO_CONFIG = "video_preprocessor_config.json"


def load_processor(path: str | Path, *, config_of: str | None = None, **kwargs: Any) -> Any:
    """The processor of a checkpoint: stock `AutoProcessor` if torchvision is installed.

    transformers cannot build a processor with a video part without torchvision, and there is no
    torchvision on PyPI that fits a CPU build of torch. Without it the processor is built without
    its video part, and with the image processor that works with Pillow; it behaves alike, except
    that videos are refused.

    Args:
        config_of: Where the configuration of the model is, if not there: the base of an adapter.

    Raises:
        TypeError: If the checkpoint's processor class is unknown to transformers, which makes
            `AutoProcessor` hand out a bare tokenizer.
    """
    from transformers import AutoProcessor, ProcessorMixin

    if importlib.util.find_spec("torchvision") is None:
        stock = _processor_class(config_of or path)
        if stock is not None and "video_processor" in stock.get_attributes():
            return _without_video(stock).from_pretrained(path, **kwargs)
    processor = AutoProcessor.from_pretrained(path, **kwargs)
    if not isinstance(processor, ProcessorMixin):
        raise TypeError(
            f"expected a processor with an image part in {str(path)!r}, got "
            f"{type(processor).__name__}: does its preprocessor_config.json name a known "
            "processor_class?"
        )
    return processor


def save_with_video(processor: Any, source: Path) -> None:
    """Let a processor without its video part save what the stock processor loads.

    That one looks for the video part in a file of its own, else in that of the image part.

    Args:
        processor: The processor; one that has its video part stays as it is.
        source: The checkpoint that it is from.
    """
    if "video_processor" in processor.get_attributes():
        return
    base = type(processor)

    def save_pretrained(self: Any, save_directory: str | Path, **kwargs: Any) -> Any:
        saved = base.save_pretrained(self, save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory)
        if (source / _VIDEO_CONFIG).is_file():
            shutil.copyfile(source / _VIDEO_CONFIG, Path(save_directory) / _VIDEO_CONFIG)
        return saved

    processor.__class__ = type(base.__name__, (base,), {"save_pretrained": save_pretrained})


def _without_video(stock: Any) -> Any:
    """A subclass of a processor class that neither loads nor has a video processor.

    `ProcessorMixin.__init__` pairs its arguments with `get_attributes`, so the stock `__init__`
    does the rest: the absent video processor comes last and is dropped.
    """
    kept = [name for name in stock.get_attributes() if name != "video_processor"]
    return type(stock.__name__, (stock,), {"get_attributes": classmethod(lambda cls: list(kept))})


def _processor_class(path: str | Path) -> Any:
    """The processor class of a checkpoint's model type, None if it is not known."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    try:
        model_type = transformers.AutoConfig.from_pretrained(path).model_type
    except (OSError, ValueError):
        return None
    name = PROCESSOR_MAPPING_NAMES.get(model_type)
    return None if name is None else getattr(transformers, name, None)
