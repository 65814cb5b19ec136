"""Sampling completions: prompts with images of different sizes, padded on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

__all__ = ["Prompt", "Sampling", "generate", "join", "pad_left", "pad_right", "shares_images"]


@dataclass(frozen=True)
class Prompt:
    """A tokenized question with its image."""

    ids: list[int]
    """Token ids, with one image token for each merged patch."""
    pixel_values: np.ndarray | None = None
    """Patches of the image (N, channels * temporal * height * width), float32."""
    grid: np.ndarray | None = None
    """Frames, rows and columns of patches (1, 3)."""


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn."""

    max_tokens: int = 256
    """Longest completion in tokens."""
    temperature: float = 1.0
    """Divides the logits; 0 for greedy decoding."""
    top_p: float = 1.0
    """Smallest probability mass to draw from."""
    top_k: int = 0
    """Most likely tokens to draw from; 0 for all. paddleformers' own default is 50."""
    eos_ids: tuple[int, ...] = ()
    """Ids that end a completion."""
    pad_id: int = 0
    """Id of padding."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"expected max_tokens of at least 1, got {self.max_tokens!r}")
        if not 0 <= self.temperature <= 10:
            raise ValueError(f"expected a temperature from 0 to 10, got {self.temperature!r}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"expected top_p above 0 and at most 1, got {self.top_p!r}")
        if self.top_k < 0:
            raise ValueError(f"expected top_k of at least 0, got {self.top_k!r}")
        if not self.eos_ids:
            raise ValueError("expected at least one id that ends a completion, got none")


def pad_left(rows: Sequence[Sequence[int]], value: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, padded in front, and a mask with 1 for what is no padding; (B, S)."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), value, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = row
        mask[i, width - len(row) :] = 1
    return ids, mask


def pad_right(rows: Sequence[Sequence[int]], value: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, padded behind, and a mask with 1 for what is no padding; (B, S)."""
    ids, mask = pad_left([row[::-1] for row in rows], value)
    return np.ascontiguousarray(ids[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])


def join(prompts: Sequence[Prompt], pad_id: int, *, share_images: bool = False) -> dict[str, Any]:
    """Prompts as one batch of tensors.

    Args:
        prompts: The prompts; a group's is the same object several times.
        pad_id: Id of padding.
        share_images: Hand on the image of a prompt that comes several times once only, with
            `image_index` (images,), the place of each row's image among the different ones. The
            models of `vlreward_paddle.modeling` then look at it once.

    Returns:
        `input_ids` and `attention_mask` (B, P), and where there are images `pixel_values` of all
        of them one after the other and `image_grid_thw` (images, 3).

    Raises:
        ValueError: If some prompts have an image and others have none.
    """
    ids, mask = pad_left([prompt.ids for prompt in prompts], pad_id)
    batch = {"input_ids": paddle.to_tensor(ids), "attention_mask": paddle.to_tensor(mask)}
    seen = [prompt for prompt in prompts if prompt.pixel_values is not None]
    if len(seen) not in (0, len(prompts)):
        raise ValueError(
            f"expected an image in every prompt or in none, got {len(seen)} of {len(prompts)}"
        )
    if seen:
        different = list({id(prompt): prompt for prompt in seen}.values())
        if share_images and len(different) < len(seen):
            places = {id(prompt): i for i, prompt in enumerate(different)}
            index = [places[id(prompt)] for prompt in seen]
            batch["image_index"] = paddle.to_tensor(np.array(index, dtype=np.int64))
        else:
            different = seen
        pixels = np.concatenate([prompt.pixel_values for prompt in different])
        grids = np.concatenate([prompt.grid for prompt in seen])
        batch["pixel_values"] = paddle.to_tensor(pixels.astype(np.float32))
        batch["image_grid_thw"] = paddle.to_tensor(grids.astype(np.int64))
    return batch


def generate(model: Any, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[int]]:
    """Draw one completion for each prompt; repeat a prompt to draw a group.

    Args:
        model: A model of `vlreward_paddle.modeling`, or any with paddleformers' or paddlenlp's
            `generate`.
        prompts: The questions.
        sampling: How to draw.

    Returns:
        Token ids of the completions, each up to and including the id that ends it.
    """
    strategy: dict[str, Any] = {"decode_strategy": "greedy_search"}
    if sampling.temperature:
        strategy = {
            "decode_strategy": "sampling",
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    was_training = model.training
    model.eval()
    try:
        with paddle.no_grad():
            tokens = model.generate(
                **join(prompts, sampling.pad_id, share_images=shares_images(model)),
                **strategy,
                max_new_tokens=sampling.max_tokens,
                eos_token_id=list(sampling.eos_ids),
                pad_token_id=sampling.pad_id,
                use_cache=True,
            )[0].tolist()
    finally:
        if was_training:
            model.train()
    return [_until_end(row, sampling.eos_ids) for row in tokens]


def shares_images(model: Any) -> bool:
    """Whether a model understands `image_index`."""
    return bool(getattr(model, "shares_images", False))


def _until_end(tokens: list[int], eos_ids: Sequence[int]) -> list[int]:
    for i, token in enumerate(tokens):
        if token in eos_ids:
            return tokens[: i + 1]
    return tokens
