"""What has to be known about a model before it is loaded: frame, sizes, LoRA targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlreward.frames import FAMILIES, Frame, family_of
from vlreward_trl.arguments import OptionError

__all__ = ["LORA_TARGETS", "ModelSize", "frame_of", "freeze_vision", "measure"]

LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Default of `--lora_target_modules`: every linear layer of the language model, and none of the
vision tower, which `all-linear` would adapt too."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Numbers of parameters, and what decides how much memory generation takes."""

    parameters: int
    """All parameters."""
    vision: int
    """Those of the vision tower, its merger included."""
    adapter: int
    """Those of a LoRA adapter of rank 1 on `LORA_TARGETS`."""
    layers: int
    """Layers of the language model."""
    hidden: int
    """Width of the language model."""
    intermediate: int
    """Width inside the MLPs of the language model."""
    cache_per_token: int
    """Numbers in the key-value cache for each token."""
    vocabulary: int
    """Tokens of the vocabulary."""


def frame_of(config: Any, declared: str | None = None) -> Frame:
    """The frame of the boxes that a model writes.

    Args:
        config: The model's configuration; its `model_type` names the family.
        declared: A frame that is declared by hand and wins.

    Raises:
        OptionError: If the frame is unknown, or none is declared and the family is unknown.
    """
    known = ", ".join(f.value for f in Frame)
    if declared is not None:
        try:
            return Frame(declared)
        except ValueError:
            raise OptionError(f"--frame: expected one of {known}, got {declared!r}") from None
    try:
        return family_of(config.model_type).frame
    except ValueError:
        raise OptionError(
            f"the frame of boxes of {config.model_type!r} models is not known: declare --frame, "
            f"one of {known}, or use a model of the families {', '.join(FAMILIES)}"
        ) from None


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
        vision=sum(p.numel() for n, p in model.named_parameters() if _is_vision(n)),
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


def freeze_vision(model: Any) -> int:
    """Exclude the vision tower from training; returns the number of parameters frozen.

    Raises:
        ValueError: If the model has no part called `visual`, as Qwen-VL models do.
    """
    frozen = 0
    for name, parameter in model.named_parameters():
        if _is_vision(name):
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    if not frozen:
        raise ValueError(
            f"expected a part called 'visual' to freeze in {type(model).__name__}, found none"
        )
    return frozen


def _is_vision(name: str) -> bool:
    return "visual" in name.split(".")
