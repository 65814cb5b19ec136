"""Reading an adapter that peft, or this backend, has written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from vlreward_paddle.lora import TARGETS, AdapterOptions, adapter_layers, add_adapter, parts_of
from vlreward_paddle.modeling.checkpoint import CheckpointError

__all__ = ["load_adapter", "set_adapter"]


def load_adapter(model: Any, directory: Path) -> None:
    """Put an adapter into a model.

    Args:
        model: The model that it adapts, a model of `vlreward_paddle.modeling`.
        directory: Where `adapter_config.json` and `adapter_model.safetensors` are.

    Raises:
        CheckpointError: If it cannot be read, or adapts what cannot be adapted here.
    """
    from safetensors.numpy import load_file

    try:
        config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
        weights = load_file(directory / "adapter_model.safetensors")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"expected an adapter in {str(directory)!r}: {error}") from error
    names = {_place(name): value.astype(np.float32) for name, value in weights.items()}
    other = [name for name, kind in zip(weights, names) if _target(kind) not in TARGETS]
    if other or config.get("use_rslora") or config.get("rank_pattern"):
        raise CheckpointError(
            f"expected a plain LoRA adapter of {', '.join(TARGETS)} of the language model in "
            f"{str(directory)!r}, got {other[:1] or 'another scaling or rank for some layers'}; "
            "`vlreward merge` makes a whole model of it where torch and peft are installed"
        )
    targets = sorted({_target(name) for name in names})
    add_adapter(model, AdapterOptions(True, config["r"], config["lora_alpha"], 0.0, targets))
    set_adapter(model, names)


def set_adapter(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Give the adapter of a model its numbers, under peft's names.

    Raises:
        CheckpointError: If some are missing or of another shape.
    """
    found = {_place(name): value for name, value in weights.items()}
    rank = model.adapter.lora_r
    for name, layer in adapter_layers(model):
        first, second = (np.zeros(x.shape, dtype=np.float32) for x in (layer.lora_A, layer.lora_B))
        for i, (part, columns) in enumerate(parts_of(model, name)):
            rows, key = slice(i * rank, (i + 1) * rank), _place(part)
            try:
                first[:, rows] = found[f"{key}.lora_A.weight"].T
                second[rows, columns] = found[f"{key}.lora_B.weight"].T
            except (KeyError, ValueError) as error:
                raise CheckpointError(f"the adapter does not fit the model: {error}") from error
        for own, value in ((layer.lora_A, first), (layer.lora_B, second)):
            own.set_value(paddle.to_tensor(value).astype(own.dtype))


def _place(name: str) -> str:
    """A name from the number of the layer on: what is in front differs between versions."""
    front, found, rest = name.partition(".layers.")
    return rest if found and "visual" not in front else name


def _target(name: str) -> str:
    parts = name.split(".")
    return parts[-3] if parts[-2:-1] in (["lora_A"], ["lora_B"]) and parts[0].isdigit() else ""
