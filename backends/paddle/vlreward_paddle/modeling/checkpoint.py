"""Loading models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle

from vlreward.engines.torn import check_whole
from vlreward.errors import UserError
from vlreward_paddle.entry import quiet_imports
from vlreward_paddle.modeling.config import FAMILIES, VISION_IDS, to_paddle

__all__ = ["CheckpointError", "load_model", "read_config"]


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be loaded; the text names the remedy."""


def read_config(path: str | Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint.

    Raises:
        CheckpointError: If there is none, or it is of another family, or attends to windows.
        NoModelError: If a file of it is torn.
    """
    file = Path(path) / "config.json"
    if not file.is_file():
        raise CheckpointError(
            f"expected a directory with a Hugging Face checkpoint, got {str(path)!r} without "
            "config.json; download the model first, e.g. with `hf download NAME --local-dir DIR`"
        )
    check_whole(path)
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
    with quiet_imports():
        from vlreward_paddle.modeling.policy import Policy

    hf = read_config(path)
    config = to_paddle(hf, attn_implementation=attn_implementation)
    if recompute:
        for part in (config, config.text_config, config.vision_config):
            part.recompute_granularity = "full"
            part.recompute_method = "uniform"
            part.recompute_num_layers = 1
    config.dtype = dtype
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        model = Policy(config)
    finally:
        paddle.set_default_dtype(before)
    try:
        model.load_weights(Path(path))
    except (KeyError, ValueError, FileNotFoundError) as error:
        raise CheckpointError(f"cannot load the weights of {str(path)!r}: {error}") from error
    model.hf_config = hf
    model.ban([hf[name] for name in VISION_IDS if name in hf])  # a completion must have none
    return model
