"""The language model of both families, written out over paddleformers' parameters.

paddleformers' forward pass chooses the positions' axes twice in each layer and squares by `pow`;
on a CPU a training step took twice TRL's time with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import Tensor
from paddle.distributed.fleet.utils import recompute
from paddleformers.transformers.qwen2_5_vl.modeling import Qwen2_5_VLTextModel

from vlreward_paddle.modeling.attention import Cache, Turn, Visible, attend
from vlreward_paddle.modeling.parts import replace_parts

__all__ = ["TextModel"]


class TextModel(Qwen2_5_VLTextModel):  # type: ignore[misc]
    """The layers and their norm; embeddings are the caller's."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        replace_parts(self)

    def new_cache(self) -> list[Cache]:
        """An empty cache for each layer."""
        return [Cache(2 if self._eager else 1) for _ in self.layers]

    def forward(
        self, embeds: Tensor, turn: Turn, visible: Visible, cache: Sequence[Cache] | None = None
    ) -> Tensor:
        """States after the last norm (B, S, W).

        Args:
            embeds: Embeddings (B, S, W).
            turn: Their rotary positions.
            visible: What each token sees.
            cache: From `new_cache`; is filled. Several tokens need an empty one.
        """
        seen: Any = visible
        if self._eager:
            length = embeds.shape[1]
            seen = visible.mask
            if length > 1:
                seen = self.spread(visible.added(length, embeds.dtype), embeds.shape[0])
        x = embeds
        for i, layer in enumerate(self.layers):
            held = None if cache is None else cache[i]
            if self.config.recompute_granularity == "full" and not x.stop_gradient:
                x = recompute(_layer, layer, x, turn, seen, held)
            else:
                x = _layer(layer, x, turn, seen, held)
        return self.norm(x)

    def spread(self, x: Tensor, rows: int) -> Tensor:
        """(B or 1, 1, S, T) for all rows, and where broadcasting is slow for all heads."""
        if not self._eager:
            return x.expand([rows, 1, -1, -1])
        return x.expand([rows, self.config.num_attention_heads, -1, -1]).contiguous()

    @property
    def _eager(self) -> bool:
        return bool(self.config._attn_implementation == "eager")

    def turn(self, positions: Tensor) -> Turn:
        """Rotary positions of temporal, vertical and horizontal ones (3, B, S)."""
        cos, sin = self.rotary_emb(self.embed_tokens.weight, positions)  # (3, B, S, D)
        sections = self.config.rope_parameters["mrope_section"] * 2
        cos, sin = (
            paddle.concat(
                [part[i % 3] for i, part in enumerate(axes.split(sections, axis=-1))], axis=-1
            ).unsqueeze(1)
            for axes in (cos, sin)
        )
        half = sin.shape[-1] // 2
        sin = paddle.concat([-sin[..., :half], sin[..., half:]], axis=-1)
        rows = positions.shape[1]
        return Turn(self.spread(cos, rows), self.spread(sin, rows))


def _layer(layer: Any, x: Tensor, turn: Turn, visible: Any, cache: Cache | None) -> Tensor:
    x = x + attend(layer.self_attn, layer.input_layernorm(x), turn, visible, cache)
    return x + layer.mlp(layer.post_attention_layernorm(x))
