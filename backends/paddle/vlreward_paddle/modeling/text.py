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
        self,
        embeds: Tensor,
        positions: Tensor,
        visible: Visible,
        cache: Sequence[Cache] | None = None,
    ) -> Tensor:
        """States after the last norm (B, S, W).

        Args:
            embeds: Embeddings (B, S, W).
            positions: Temporal, vertical and horizontal positions (3, B, S).
            visible: What each token sees.
            cache: From `new_cache`; is filled. Several tokens need an empty one.
        """
        rows, length, _ = embeds.shape
        turn = self._turn(embeds, positions)
        seen: Any = visible
        if self._eager:
            seen = visible.added(length, embeds.dtype) if length > 1 else visible.mask
            if seen is not None:
                seen = seen.expand([rows, self.config.num_attention_heads, -1, -1]).contiguous()
        x = embeds
        for i, layer in enumerate(self.layers):
            held = None if cache is None else cache[i]
            if self.config.recompute_granularity == "full" and not x.stop_gradient:
                x = recompute(_layer, layer, x, turn, seen, held)
            else:
                x = _layer(layer, x, turn, seen, held)
        return self.norm(x)

    @property
    def _eager(self) -> bool:
        return bool(self.config._attn_implementation == "eager")

    def _turn(self, x: Tensor, positions: Tensor) -> Turn:
        cos, sin = self.rotary_emb(x, positions)  # (3, B, S, D)
        sections = self.config.rope_parameters["mrope_section"] * 2
        cos, sin = (
            paddle.concat(
                [part[i % 3] for i, part in enumerate(axes.split(sections, axis=-1))], axis=-1
            ).unsqueeze(1)
            for axes in (cos, sin)
        )
        half = sin.shape[-1] // 2
        sin = paddle.concat([-sin[..., :half], sin[..., half:]], axis=-1)
        if self._eager:
            shape = [-1, self.config.num_attention_heads, -1, -1]
            cos, sin = cos.expand(shape).contiguous(), sin.expand(shape).contiguous()
        return Turn(cos, sin)


def _layer(layer: Any, x: Tensor, turn: Turn, visible: Any, cache: Cache | None) -> Tensor:
    x = x + attend(layer.self_attn, layer.input_layernorm(x), turn, visible, cache)
    return x + layer.mlp(layer.post_attention_layernorm(x))
