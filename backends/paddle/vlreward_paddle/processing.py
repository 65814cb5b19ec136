"""Tokenizer and image processor of a Qwen-VL checkpoint, without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlreward.engines.processor import PROCESSOR_FILES
from vlreward.resizing import Resizing
from vlreward_paddle.rollout import Prompt

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["QwenCodec"]

_TEMPLATES = ("chat_template.jinja", "chat_template.json")


class QwenCodec:
    """Rows to prompts, tokens to text.

    The image processor is transformers' one for Pillow and numpy, whose pixels are those of the
    published models; the faster one differs by up to 0.28 where it resizes.

    Args:
        path: Directory of the checkpoint.
        min_pixels: Smallest area of an image in pixels; None for the checkpoint's.
        max_pixels: Largest area in pixels; None for the checkpoint's.

    Raises:
        FileNotFoundError: If the checkpoint has no tokenizer or no image processor.
        ValueError: If it has no chat template, or the limits exclude each other.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

        self.path = Path(path)
        if not any((self.path / name).is_file() for name in PROCESSOR_FILES):
            inside = "; a whole model is in its directory hf" if (self.path / "hf").is_dir() else ""
            raise FileNotFoundError(
                f"expected {' or '.join(PROCESSOR_FILES)} in {str(path)!r}, found neither{inside}"
            )
        self.tokenizer = AutoTokenizer.from_pretrained(str(path))
        self.template = self.tokenizer.chat_template or _template(self.path)
        self.image_processor = Qwen2VLImageProcessor.from_pretrained(str(path))
        self.merged = self.image_processor.merge_size**2
        size = self.image_processor.size
        self.resizing = Resizing(
            self.image_processor.patch_size * self.image_processor.merge_size,
            min_pixels or size["shortest_edge"],
            max_pixels or size["longest_edge"],
        )
        self.resizing.limit(self.image_processor)
        self.image_token = "<|image_pad|>"
        self.image_id = self.tokenizer.convert_tokens_to_ids(self.image_token)
        self.eos_ids = _eos_ids(self.path, self.tokenizer)
        pad = self.tokenizer.pad_token_id
        self.pad_id = int(self.eos_ids[0] if pad is None else pad)

    def render(self, messages: list[dict[str, Any]]) -> str:
        """The text of chat messages, ready for the answer, with one token for each image."""
        text: str = self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, tokenize=False, add_generation_prompt=True
        )
        return text

    def words(self, messages: list[dict[str, Any]]) -> int:
        """The tokens of chat messages, an image counted as one."""
        return len(self._ids(self.render(messages)))

    def encode(self, row: dict[str, Any]) -> Prompt:
        """The prompt of a row with `prompt` and `images`."""
        return self.prompt(row["prompt"], row.get("images") or [])

    def prompt(self, messages: list[dict[str, Any]], images: Sequence[Image]) -> Prompt:
        """The prompt of chat messages with their images, as large as they are to be seen.

        Raises:
            ValueError: If there is an image and no place for it, or the other way round.
        """
        first, *rest = self.render(messages).split(self.image_token)
        if len(rest) != len(images):
            raise ValueError(f"expected {len(images)} image tokens in the prompt, got {len(rest)}")
        if not images:
            return Prompt(self._ids(first))
        found = self.image_processor(images=list(images), return_tensors="np")
        grid = np.asarray(found["image_grid_thw"])
        counts = [int(one.prod()) // self.merged for one in grid]
        tokens = (self.image_token * count + part for count, part in zip(counts, rest))
        text = first + "".join(tokens)
        return Prompt(self._ids(text), np.asarray(found["pixel_values"], dtype=np.float32), grid)

    def decode(self, tokens: list[int]) -> str:
        """The text of a completion without special tokens."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def save(self, directory: str | Path) -> None:
        """Copy the checkpoint's files that are neither weights nor the model's configuration."""
        import shutil

        for file in self.path.iterdir():
            if file.suffix in (".json", ".jinja", ".txt", ".model") and (
                file.name != "config.json" and not file.name.endswith(".index.json")
            ):
                shutil.copyfile(file, Path(directory) / file.name)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def _template(path: Path) -> str:
    for name in _TEMPLATES:
        if (path / name).is_file():
            text = (path / name).read_text(encoding="utf-8")
            return str(json.loads(text)["chat_template"]) if name.endswith(".json") else text
    raise ValueError(
        f"expected a chat template in {str(path)!r}: use an instruction-tuned checkpoint"
    )


def _eos_ids(path: Path, tokenizer: Any) -> tuple[int, ...]:
    """Ids that end a completion, by `generation_config.json` and the tokenizer."""
    ids = {tokenizer.eos_token_id}
    file = path / "generation_config.json"
    if file.is_file():
        given = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
        ids |= set(given) if isinstance(given, list) else {given}
    return tuple(sorted(int(i) for i in ids if i is not None))
