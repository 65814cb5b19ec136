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
from paddleformers.nn.norm import RMSNorm
from paddleformers.transformers.qwen2_5_vl.modeling import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VLTextModel,
)

from vlreward_paddle.modeling.attention import Cache, Turn, Visible, attend

__all__ = ["TextModel", "replace_parts"]


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


class _Norm(RMSNorm):  # type: ignore[misc]
    """Squares by a product; `pow` costs a CPU a hundred times as much."""

    def forward(self, x: Tensor) -> Tensor:
        if self.config.get("fuse_rms_norm", True):
            return super().forward(x)
        if self.weight.dtype == x.dtype == paddle.float32:
            return self._scaled(x) * self.weight
        with paddle.amp.auto_cast(False):  # Entering it costs as much as the rest.
            return self._scaled(x.astype("float32")).astype(self.weight.dtype) * self.weight

    def _scaled(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt((x * x).mean(-1, keepdim=True) + self.variance_epsilon)


class _PatchEmbed(Qwen2_5_VisionPatchEmbed):  # type: ignore[misc]
    """A product, as the convolution's steps are as long as its kernel."""

    def forward(self, patches: Tensor) -> Tensor:
        weight = self.proj.weight.reshape([self.embed_dim, -1])
        return paddle.matmul(patches.astype(weight.dtype), weight, transpose_y=True)


def replace_parts(model: Any) -> None:
    """Replace parts of a model by others with the same parameters that take less time, before its
    weights are loaded."""
    for parent in model.sublayers(include_self=True):
        for name, part in list(parent.named_children()):
            if type(part) is RMSNorm:
                made = _Norm(part.config, part.hidden_size, norm_eps=part.variance_epsilon)
            elif type(part) is Qwen2_5_VisionPatchEmbed:
                made = _PatchEmbed(
                    part.patch_size, part.temporal_patch_size, part.in_channels, part.embed_dim
                )
            else:
                continue
            setattr(parent, name, made)
