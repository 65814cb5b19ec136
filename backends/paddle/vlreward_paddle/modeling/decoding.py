"""Decoding with a cache: each prompt is read once, and its cache serves its whole group."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vlreward_paddle.modeling.attention import ROOM, Turn, Visible, hidden_scores, longer

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
        turn = self.text.turn(paddle.to_tensor(places))
        states = self.text(embeds, turn, visible, self.cache)[:, -1]
        if owners != list(range(len(attended))):
            rows = paddle.to_tensor(owners)
            states = states[rows]
            for layer in self.cache:
                layer.spread(rows)
        seen = paddle.to_tensor(attended[owners]).unsqueeze([1, 2])
        self.added = self.text.spread(hidden_scores(seen, embeds.dtype), len(owners))
        """What is added to the scores of the next tokens, (B, H or 1, 1, T) and some room."""
        self.position = paddle.to_tensor(places.max(axis=(0, 2))[owners]).reshape([1, -1, 1])
        """The last position of each prompt, and then of each completion (1, B, 1)."""
        self.turns: list[Turn] = []
        self.logits = self._logits(states)
        """Of the next token (B, V), float32; ids that are never generated have -inf."""

    def step(self, tokens: Tensor) -> None:
        """Add a token (B,) to each completion."""
        if not self.turns:
            self._make_room()
        embeds = self.text.embed_tokens(tokens.unsqueeze(-1))
        self.added[:, :, :, self.cache[0].length] = 0.0
        turn = self.turns.pop()
        self.logits = self._logits(
            self.text(embeds, turn, Visible(mask=self.added), self.cache)[:, 0]
        )

    def _make_room(self) -> None:
        """Prepare for as many tokens as the cache grows by."""
        self.added = longer(self.added, 3, paddle.finfo(self.added.dtype).min)
        places = (self.position + paddle.arange(1, ROOM + 1)).expand([3, -1, -1])
        self.position = self.position + ROOM
        turn = self.text.turn(places)
        parts = (paddle.split(x, ROOM, axis=2) for x in (turn.cos, turn.sin))
        self.turns = [Turn(cos, sin) for cos, sin in zip(*parts)][::-1]

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
