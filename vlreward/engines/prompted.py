"""What engines share that put prompts together by a checkpoint's own processor."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from vlreward.engines.adapters import base_of
from vlreward.engines.base import EngineConfig
from vlreward.engines.batched import BatchedEngine
from vlreward.engines.checkpoint import import_torch, open_processor
from vlreward.errors import OptionError
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PromptedEngine"]


class PromptedEngine(BatchedEngine):
    """Prompts and texts by the processor of a checkpoint of transformers.

    Raises:
        ImportError: If torch or transformers is missing; names the extra.
        EngineError: If the checkpoint has no processor.
        OptionError: If its images have no limits, and some are given.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._torch, self._transformers = import_torch()
        self._trusted = {"trust_remote_code": True} if config.trust_remote_code else {}
        self._base = base_of(self.model, config.base_model)
        """The model that `model` is an adapter of, if it is one."""
        self._processor = open_processor(self.model, self._base, **self._trusted)
        self._tokenizer = self._processor.tokenizer
        self.resizing = self._limited(config.min_pixels, config.max_pixels)
        self._config: Any = None
        """The `GenerationConfig` that is decoded by."""

    def encode(self, messages: list[dict[str, Any]], images: list[Image]) -> str:
        """The text of the prompt, as the checkpoint's template has it."""
        text: str = self._processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return text

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, special ones left out."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    @property
    def end_tokens(self) -> Collection[int]:
        """Tokens that end an answer."""
        ends = self._config.eos_token_id
        if ends is None:
            ends = self._tokenizer.eos_token_id
        return ends if isinstance(ends, (list, tuple)) else [ends]

    @property
    def penalty(self) -> float:
        """What the checkpoint makes of repeated tokens; 1 is nothing."""
        return float(getattr(self._config, "repetition_penalty", None) or 1.0)

    def _limited(self, min_pixels: int | None, max_pixels: int | None) -> Resizing | None:
        images = self._processor.image_processor
        resizing = Resizing.of(images, min_pixels, max_pixels)
        if min_pixels is max_pixels is None:
            return resizing
        if resizing is None:
            raise OptionError(
                f"the image processor {type(images).__name__} has no smallest and largest area: "
                "leave out --min-pixels and --max-pixels"
            )
        resizing.limit(images)
        return resizing
