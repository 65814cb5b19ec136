"""Qwen2-VL and Qwen2.5-VL on paddleformers, from and to Hugging Face checkpoints."""

from __future__ import annotations

from vlreward_paddle.modeling.checkpoint import CheckpointError, load_model

__all__ = ["CheckpointError", "load_model"]
