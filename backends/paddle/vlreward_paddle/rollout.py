"""Sampling completions: prompts with images of different sizes, padded on the left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import functional as F

__all__ = [
    "Prompt",
    "Sampling",
    "choose",
    "different",
    "draw",
    "generate",
    "join",
    "pad_left",
    "pad_right",
    "shares_prompts",
]


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


def different(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[int]]:
    """The prompts without the repetitions of a group, and the place of each one among them.

    A group's prompt is the same object several times in a row.
    """
    found: list[Prompt] = []
    owners = []
    for prompt in prompts:
        if not found or found[-1] is not prompt:
            found.append(prompt)
        owners.append(len(found) - 1)
    return found, owners


def join(prompts: Sequence[Prompt], pad_id: int) -> dict[str, Any]:
    """Prompts as one batch of tensors.

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
        pixels = np.concatenate([prompt.pixel_values for prompt in seen])
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
    was_training = model.training
    model.eval()
    try:
        with paddle.no_grad():
            if shares_prompts(model):
                drawn = [tokens for tokens, _ in draw(model, prompts, sampling)]
                rows = paddle.stack(drawn, axis=1).tolist()
            else:
                rows = _by_library(model, prompts, sampling)
    finally:
        if was_training:
            model.train()
    return [_until_end(row, sampling.eos_ids) for row in rows]


def draw(
    model: Any, prompts: Sequence[Prompt], sampling: Sampling
) -> Iterator[tuple[Tensor, Tensor]]:
    """The next token of each completion (B,), with the logits (B, V) that it was drawn from, until
    all have ended; padding follows an end. Each prompt is read once for its group."""
    read, owners = different(prompts)
    state = model.decoding(owners, **join(read, sampling.pad_id))
    ends = paddle.to_tensor(sampling.eos_ids)
    live = None
    for count in range(1, sampling.max_tokens + 1):
        tokens = choose(state.logits, sampling)
        if live is not None:
            tokens = paddle.where(live, tokens, paddle.full_like(tokens, sampling.pad_id))
        yield tokens, state.logits
        goes_on = (tokens.unsqueeze(-1) != ends).all(axis=-1)
        live = goes_on if live is None else live & goes_on
        if count == sampling.max_tokens or not bool(live.any()):
            return
        state.step(tokens)


def choose(logits: Tensor, sampling: Sampling) -> Tensor:
    """One id for each row of logits (B, V): first `top_k`, then `top_p`, as transformers does."""
    if sampling.temperature == 0:
        return logits.argmax(axis=-1)
    shares = F.softmax(logits / sampling.temperature, axis=-1)
    if sampling.top_k or sampling.top_p < 1:
        most = min(sampling.top_k or shares.shape[-1], shares.shape[-1])
        shares, ids = paddle.topk(shares, most, axis=-1)
        shares = shares / shares.sum(axis=-1, keepdim=True)
        # A token stays where those before it have less than `top_p`; the first always does.
        ahead = shares.cumsum(axis=-1) - shares
        shares = paddle.where(ahead < sampling.top_p, shares, paddle.zeros_like(shares))
        return paddle.take_along_axis(ids, paddle.multinomial(shares), axis=-1).squeeze(-1)
    return paddle.multinomial(shares).squeeze(-1)


def _by_library(model: Any, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[int]]:
    """The `generate` of paddleformers or paddlenlp."""
    strategy: dict[str, Any] = {"decode_strategy": "greedy_search"}
    if sampling.temperature:
        strategy = {
            "decode_strategy": "sampling",
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    found: list[list[int]] = model.generate(
        **join(prompts, sampling.pad_id),
        **strategy,
        max_new_tokens=sampling.max_tokens,
        eos_token_id=list(sampling.eos_ids),
        pad_token_id=sampling.pad_id,
        use_cache=True,
    )[0].tolist()
    return found


def shares_prompts(model: Any) -> bool:
    """Whether a model takes each prompt once for all its completions."""
    return bool(getattr(model, "shares_prompts", False))


def _until_end(tokens: list[int], eos_ids: Sequence[int]) -> list[int]:
    for i, token in enumerate(tokens):
        if token in eos_ids:
            return tokens[: i + 1]
    return tokens
