"""The vision tower of Qwen2-VL on top of paddleformers' Qwen2.5-VL."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddleformers.transformers.qwen2_5_vl.modeling import Qwen2_5_VisionTransformerPretrainedModel

__all__ = ["Qwen2VisionTower"]

_ACTIVATIONS = {
    "quick_gelu": lambda x: x * F.sigmoid(1.702 * x),
    "gelu": F.gelu,
    "silu": F.silu,
}


class _MLP(nn.Layer):  # type: ignore[misc]
    def __init__(self, width: int, inner: int, activation: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class Qwen2VisionTower(Qwen2_5_VisionTransformerPretrainedModel):  # type: ignore[misc]
    """LayerNorm instead of RMSNorm, two linear layers with a quick GELU instead of a gated MLP, and
    full attention in every layer."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        activation, config.hidden_act = config.hidden_act, "silu"  # The parent's MLPs go.
        super().__init__(config, *args, **kwargs)
        config.hidden_act = activation
        self.fullatt_block_indexes = range(config.depth)
        width = config.hidden_size
        for block in self.blocks:
            block.norm1 = nn.LayerNorm(width, epsilon=1e-6)
            block.norm2 = nn.LayerNorm(width, epsilon=1e-6)
            block.mlp = _MLP(width, config.intermediate_size, config.hidden_act)
        self.merger.ln_q = nn.LayerNorm(width, epsilon=1e-6)

    def get_window_index(self, grid_thw: Tensor) -> tuple[Tensor, list[int]]:
        """No windows: patches stay in order, and no layer looks at the boundaries."""
        count = int(grid_thw.prod(axis=1).sum())
        return paddle.arange(count // self.spatial_merge_unit), [0, count]
