"""Qwen2.5-VL: paddleformers' model with its bugs mended."""

from __future__ import annotations

from typing import Any

from paddleformers.nn.criterion.interface import CriterionLayer
from paddleformers.nn.lm_head import LMHead
from paddleformers.transformers.qwen2_5_vl.modeling import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLModel,
    Qwen2_5_VLPretrainedModel,
)

from vlreward_paddle.modeling.parts import replace_parts
from vlreward_paddle.modeling.policy import InnerMixin, PolicyMixin
from vlreward_paddle.modeling.text import TextModel

__all__ = ["Qwen2_5_VLPolicy", "build"]


class _Inner(InnerMixin, Qwen2_5_VLModel):  # type: ignore[misc]
    """The model without its head."""

    def __init__(self, config: Any) -> None:
        Qwen2_5_VLPretrainedModel.__init__(self, config)
        self.visual = Qwen2_5_VisionTransformerPretrainedModel._from_config(config.vision_config)
        self.language_model = TextModel._from_config(config.text_config)
        replace_parts(self.visual)


class Qwen2_5_VLPolicy(PolicyMixin, Qwen2_5_VLForConditionalGeneration):  # type: ignore[misc]
    """Qwen2.5-VL for generation and training."""

    def __init__(self, config: Any) -> None:
        build(self, config, _Inner(config))


def build(policy: Any, config: Any, inner: Any) -> None:
    """What the parent's `__init__` does, with another inner model, and without building two."""
    Qwen2_5_VLPretrainedModel.__init__(policy, config)
    policy.model = inner
    policy.lm_head = LMHead(config.text_config)
    policy.criterion = CriterionLayer(config.text_config)
    policy.tie_weights()
