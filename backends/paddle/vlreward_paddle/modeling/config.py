"""Hugging Face configurations of Qwen-VL models as paddleformers' configurations."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from paddleformers.transformers.qwen2_5_vl.configuration import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLVisionConfig,
)

__all__ = ["FAMILIES", "VISION_IDS", "to_paddle"]

FAMILIES = ("qwen2_vl", "qwen2_5_vl")
"""Model types that can be loaded."""
VISION_IDS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
"""Settings that name the tokens that stand for images and videos, and around them."""
_QWEN2_VISION = {"embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4}


def to_paddle(hf: dict[str, Any], *, attn_implementation: str = "sdpa") -> Qwen2_5_VLConfig:
    """Translate the content of a `config.json`.

    Understands both the flat form of the published checkpoints and the nested one that
    transformers 5 writes. The padding id is left out: with one, paddleformers would zero the
    padding token's embedding, which transformers does not.

    Args:
        hf: The content of `config.json`.
        attn_implementation: `sdpa`, `eager` or `flashmask`.

    Raises:
        ValueError: If the model is of another family.
    """
    kind = hf.get("model_type")
    if kind not in FAMILIES:
        raise ValueError(f"expected a model_type of {', '.join(FAMILIES)}, got {kind!r}")
    nested = hf.get("text_config") or {}
    text = {**hf, **nested}
    known = set(inspect.signature(Qwen2_5_VLTextConfig.__init__).parameters) - {"self", "kwargs"}
    values = {k: copy.deepcopy(v) for k, v in text.items() if k in known}
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    theta = rope.get("rope_theta", text.get("rope_theta", 1e6))
    kind_of_rope = rope.get("rope_type", rope.get("type", "default"))
    values["rope_scaling"] = {
        **{k: v for k, v in rope.items() if k != "type"},
        "rope_type": "default" if kind_of_rope == "mrope" else kind_of_rope,
        "rope_theta": theta,
    }
    values["rope_theta"] = theta
    tied = bool(hf.get("tie_word_embeddings", nested.get("tie_word_embeddings", False)))
    values["tie_word_embeddings"] = tied
    made = Qwen2_5_VLConfig(
        text_config=values,
        vision_config=_vision(kind, hf.get("vision_config") or {}),
        tie_word_embeddings=tied,
        **{k: hf[k] for k in VISION_IDS if k in hf},
    )
    made.model_type = kind
    for config in (made, made.text_config, made.vision_config):
        # What is written out is what `sdpa` computes without a kernel, several times as fast.
        eager = attn_implementation == "sdpa" and not _has_gpu()
        config._attn_implementation = "eager" if eager else attn_implementation
        config.pad_token_id = None
        config.tie_word_embeddings = tied
        if not _has_gpu():
            config.fuse_rms_norm = False
    return made


def _vision(kind: str, hf: dict[str, Any]) -> dict[str, Any]:
    """The vision tower's part; Qwen2-VL calls the tower's width `embed_dim`."""
    known = set(inspect.signature(Qwen2_5_VLVisionConfig.__init__).parameters) - {"self", "kwargs"}
    values = {k: v for k, v in hf.items() if k in known}
    if "in_chans" in hf:
        values.setdefault("in_channels", hf["in_chans"])
    if kind == "qwen2_vl":
        given = {**_QWEN2_VISION, **hf}
        values |= {
            "hidden_size": given["embed_dim"],
            "out_hidden_size": given["hidden_size"],
            "intermediate_size": int(given["embed_dim"] * given["mlp_ratio"]),
            "hidden_act": given.get("hidden_act", "quick_gelu"),
            "fullatt_block_indexes": [],
        }
    return values


def _has_gpu() -> bool:
    import paddle

    return bool(paddle.device.get_device() != "cpu")
