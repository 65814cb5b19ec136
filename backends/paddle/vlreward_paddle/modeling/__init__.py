"""Qwen2-VL and Qwen2.5-VL on paddleformers, from and to Hugging Face checkpoints."""

from __future__ import annotations

from vlreward_paddle.modeling.checkpoint import CheckpointError, freeze_vision, load_model
from vlreward_paddle.modeling.qwen2_5_vl import Qwen2_5_VLPolicy
from vlreward_paddle.modeling.qwen2_vl import Qwen2VLPolicy

__all__ = ["CheckpointError", "Qwen2VLPolicy", "Qwen2_5_VLPolicy", "freeze_vision", "load_model"]
