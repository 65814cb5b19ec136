"""Loading a Qwen-VL processor, also where torchvision is missing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

__all__ = ["load_processor"]

_IMAGE_ONLY = ("Qwen2VLProcessor", "Qwen2_5_VLProcessor")


def load_processor(path: str | Path, **kwargs: Any) -> Any:
    """The processor of a checkpoint: stock `AutoProcessor` if torchvision is installed.

    transformers cannot build a processor with a video part without torchvision, and there is no
    torchvision on PyPI that fits a CPU build of torch. For a local Qwen2-VL or Qwen2.5-VL
    checkpoint the processor is then put together from its tokenizer and the image processor that
    works with Pillow; it behaves alike, except that videos are refused.

    Args:
        path: Directory of the checkpoint, or a name that `AutoProcessor` knows.
        kwargs: Passed on to `AutoProcessor.from_pretrained`; without torchvision to the image
            processor, e.g. `min_pixels`, `max_pixels`.

    Raises:
        ImportError: If torchvision is missing and the checkpoint is of another family, or not a
            local directory.
        TypeError: If the checkpoint's processor class is unknown to transformers, which makes
            `AutoProcessor` hand out a bare tokenizer.
    """
    from transformers import AutoProcessor, ProcessorMixin

    if importlib.util.find_spec("torchvision") is None:
        return _image_only(Path(path), kwargs)
    processor = AutoProcessor.from_pretrained(path, **kwargs)
    if not isinstance(processor, ProcessorMixin):
        raise TypeError(
            f"expected a processor with an image part in {str(path)!r}, got "
            f"{type(processor).__name__}: does its preprocessor_config.json name a known "
            "processor_class?"
        )
    return processor


def _image_only(path: Path, kwargs: dict[str, Any]) -> Any:
    import transformers
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    name = _processor_class(path)
    if name not in _IMAGE_ONLY:
        raise ImportError(
            f"expected torchvision, which the processor of {str(path)!r} ({name or 'not local'}) "
            "needs; run: pip install torchvision"
        )
    stock = getattr(transformers, name)

    class ImageOnlyProcessor(stock):  # type: ignore[misc]
        """The stock processor without its video part."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
            for kind in ("image", "video"):
                token = getattr(tokenizer, f"{kind}_token", f"<|{kind}_pad|>")
                setattr(self, f"{kind}_token", token)
                setattr(self, f"{kind}_token_id", tokenizer.convert_tokens_to_ids(token))
            transformers.ProcessorMixin.__init__(
                self, image_processor, tokenizer, chat_template=chat_template
            )

    tokenizer = AutoTokenizer.from_pretrained(path)
    image_processor = Qwen2VLImageProcessorPil.from_pretrained(path, **kwargs)
    return ImageOnlyProcessor(image_processor, tokenizer, tokenizer.chat_template)


def _processor_class(path: Path) -> str | None:
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (path / name).is_file():
            found = json.loads((path / name).read_text(encoding="utf-8")).get("processor_class")
            if found:
                return str(found)
    return None
