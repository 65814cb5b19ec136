"""Decoding with a cache: each prompt is read once, and its cache serves its whole group."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vlreward_paddle.modeling.attention import Visible, hidden_scores

__all__ = ["Decoding"]


class Decoding:
    """Completions as they grow, a token at a time.

    Args:
        policy: The model.
        ids: Prompts (Q, P), padded on the left.
        mask: 1 for tokens, 0 for padding (Q, P).
        owners: The prompt of each completion (B,).
        images: `pixel_values` and `image_grid_thw` of the prompts, where they have images.
    """

    def __init__(
        self, policy: Any, ids: Tensor, mask: Tensor, owners: list[int], **images: Tensor
    ) -> None:
        self.policy = policy
        self.text = policy.model.language_model
        self.cache = self.text.new_cache()
        attended = mask.numpy() == 1
        places = policy.model.positions(ids.numpy(), attended, images.get("image_grid_thw"))
        embeds = policy.model.embed(ids, **images)
        visible = Visible(None if attended.all() else paddle.to_tensor(hidden_padding(attended)))
        states = self.text(embeds, paddle.to_tensor(places), visible, self.cache)[:, -1]
        then = paddle.to_tensor(places.max(axis=(0, 2)) + 1)
        self.seen = None if attended.all() else paddle.to_tensor(attended)
        if owners != list(range(len(attended))):
            rows = paddle.to_tensor(owners)
            states, then = states[rows], then[rows]
            for layer in self.cache:
                layer.spread(rows)
            self.seen = None if self.seen is None else self.seen[rows]
        self.position = then.reshape([1, -1, 1]).expand([3, -1, -1])
        self.logits = self._logits(states)
        """Of the next token (B, V), float32; ids that are never generated have -inf."""

    def step(self, tokens: Tensor) -> None:
        """Add a token (B,) to each completion."""
        embeds = self.text.embed_tokens(tokens.unsqueeze(-1))
        added = None
        if self.seen is not None:
            self.seen = paddle.concat([self.seen, paddle.ones_like(self.seen[:, :1])], axis=1)
            added = hidden_scores(self.seen.unsqueeze([1, 2]), embeds.dtype)
        states = self.text(embeds, self.position, Visible(mask=added), self.cache)
        self.position = self.position + 1
        self.logits = self._logits(states[:, 0])

    def _logits(self, states: Tensor) -> Tensor:
        weight = self.policy.lm_head.weight
        found = paddle.matmul(states, weight, transpose_y=True).astype("float32")
        if self.policy.banned_ids:
            found[:, list(self.policy.banned_ids)] = float("-inf")
        return found


def hidden_padding(attended: np.ndarray) -> np.ndarray:
    """The row from which on each column is hidden, where padding is; int32 (B, S)."""
    length = attended.shape[1]
    alone = np.arange(1, length + 1, dtype=np.int32)
    return np.where(attended, np.int32(length), alone)
