"""Qwen2-VL on top of paddleformers' Qwen2.5-VL.

The language models are the same. The vision towers differ: LayerNorm instead of RMSNorm, two
linear layers with a quick GELU instead of a gated MLP, and full attention in every layer.
"""

from __future__ import annotations

from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddleformers.transformers.qwen2_5_vl.modeling import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLModel,
    Qwen2_5_VLPretrainedModel,
)

from vlreward_paddle.modeling.config import Qwen2VLConfig
from vlreward_paddle.modeling.parts import replace_parts
from vlreward_paddle.modeling.policy import InnerMixin, PolicyMixin
from vlreward_paddle.modeling.qwen2_5_vl import build
from vlreward_paddle.modeling.text import TextModel

__all__ = ["Qwen2VLPolicy"]

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


class _VisionTower(Qwen2_5_VisionTransformerPretrainedModel):  # type: ignore[misc]
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
        import paddle

        count = int(grid_thw.prod(axis=1).sum())
        return paddle.arange(count // self.spatial_merge_unit), [0, count]


class _Inner(InnerMixin, Qwen2_5_VLModel):  # type: ignore[misc]
    config_class = Qwen2VLConfig

    def __init__(self, config: Any) -> None:
        Qwen2_5_VLPretrainedModel.__init__(self, config)
        self.visual = _VisionTower._from_config(config.vision_config)
        replace_parts(self.visual)
        self.language_model = TextModel._from_config(config.text_config)


class Qwen2VLPolicy(PolicyMixin, Qwen2_5_VLForConditionalGeneration):  # type: ignore[misc]
    """Qwen2-VL for generation and training."""

    config_class = Qwen2VLConfig

    def __init__(self, config: Any) -> None:
        build(self, config, _Inner(config))
