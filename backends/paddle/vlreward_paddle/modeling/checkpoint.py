"""Loading and freezing models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle

from vlreward.errors import UserError
from vlreward.training.models import vision_parameters
from vlreward_paddle.modeling.config import FAMILIES, to_paddle

__all__ = ["CheckpointError", "freeze_vision", "load_model", "read_config"]


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be loaded; the text names the remedy."""


def read_config(path: str | Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint.

    Raises:
        CheckpointError: If there is none, or it is of another family, or attends to windows.
    """
    file = Path(path) / "config.json"
    if not file.is_file():
        raise CheckpointError(
            f"expected a directory with a Hugging Face checkpoint, got {str(path)!r} without "
            "config.json; download the model first, e.g. with `hf download NAME --local-dir DIR`"
        )
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if config.get("model_type") not in FAMILIES:
        raise CheckpointError(
            f"expected a checkpoint of {' or '.join(FAMILIES)} in {str(path)!r}, got model_type "
            f"{config.get('model_type')!r}"
        )
    if {**config, **(config.get("text_config") or {})}.get("use_sliding_window"):
        raise CheckpointError(
            f"expected attention over the whole sequence in {str(path)!r}, got use_sliding_window; "
            "published checkpoints of these families do not use it"
        )
    return config


def load_model(
    path: str | Path,
    *,
    dtype: str = "float32",
    attn_implementation: str = "sdpa",
    recompute: bool = False,
) -> Any:
    """Load a Hugging Face checkpoint of Qwen2-VL or Qwen2.5-VL.

    Args:
        path: Directory with `config.json` and safetensors.
        dtype: Type of the parameters: `float32`, `bfloat16` or `float16`.
        attn_implementation: `sdpa`, `eager` or `flashmask`.
        recompute: Keep only the inputs of layers for the backward pass.

    Raises:
        CheckpointError: If there is no such checkpoint, or weights are missing.
    """
    from vlreward_paddle.modeling.qwen2_5_vl import Qwen2_5_VLPolicy
    from vlreward_paddle.modeling.qwen2_vl import Qwen2VLPolicy

    hf = read_config(path)
    config = to_paddle(hf, attn_implementation=attn_implementation)
    if recompute:
        for part in (config, config.text_config, config.vision_config):
            part.recompute_granularity = "full"
            part.recompute_method = "uniform"
            part.recompute_num_layers = 1
    kind = Qwen2VLPolicy if hf["model_type"] == "qwen2_vl" else Qwen2_5_VLPolicy
    config.dtype = dtype
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        model = kind(config)
    finally:
        paddle.set_default_dtype(before)
    try:
        model.load_weights(Path(path))
    except (KeyError, ValueError, FileNotFoundError) as error:
        raise CheckpointError(f"cannot load the weights of {str(path)!r}: {error}") from error
    model.hf_config = hf
    model.ban(vision_ids(hf))
    return model


def vision_ids(hf: dict[str, Any]) -> list[int]:
    """Ids of the tokens that stand for images and videos; a completion must have none."""
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return [hf[name] for name in names if name in hf]


def freeze_vision(model: Any) -> int:
    """Exclude the vision tower from training; returns the number of parameters frozen.

    Raises:
        ValueError: If the model has no part called `visual`.
    """
    frozen = vision_parameters(model)
    for parameter in frozen:
        parameter.stop_gradient = True
    return int(sum(parameter.size for parameter in frozen))
