"""The size of a model that is not loaded, and LoRA targets."""

from __future__ import annotations

from typing import Any

from vlreward.training.models import ModelSize, is_vision

__all__ = ["LORA_TARGETS", "measure"]

LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Default of `--lora_target_modules`: every linear layer of the language model, and none of the
vision tower, which `all-linear` would adapt too."""


def measure(config: Any) -> ModelSize:
    """Count the parameters of a model by building it without weights."""
    import re

    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    text = config.get_text_config()
    heads = text.num_key_value_heads or text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    targets = re.compile(LORA_TARGETS)
    return ModelSize(
        parameters=sum(p.numel() for p in model.parameters()),
        vision=sum(p.numel() for n, p in model.named_parameters() if is_vision(n)),
        adapter=sum(
            module.in_features + module.out_features
            for name, module in model.named_modules()
            if targets.fullmatch(name)
        ),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        cache_per_token=2 * text.num_hidden_layers * heads * head,
        vocabulary=text.vocab_size,
    )
