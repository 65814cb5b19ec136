"""Adapters by `paddleformers.peft` on the language model, equal to peft's on transformers' layers.

paddleformers fuses q, k and v, and gate and up, each into one layer; peft adapts each part by
itself. The fused layer's adapter here has one block for each part: rank times parts, with a B that
is zero outside the blocks, and whose gradient is kept so. Steps then are those of separate
adapters, and the blocks are written as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlreward.errors import OptionError
from vlreward.files import replacing
from vlreward.training.arguments import option

if TYPE_CHECKING:
    from paddle import Tensor

__all__ = [
    "FUSED",
    "TARGETS",
    "AdapterOptions",
    "adapter_layers",
    "adapter_weights",
    "add_adapter",
    "merged",
    "only_adapter",
    "parts_of",
    "save_adapter",
    "without_adapter",
]

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Layers that are adapted by default: every linear one of the language model, as in TRL."""
FUSED = {"qkv_proj": TARGETS[:3], "up_gate_proj": TARGETS[4:6]}
"""Those of them that paddleformers fuses, by the name of the layer."""
_INNER = "model.language_model."


@dataclass
class AdapterOptions:
    """Options of the adapter, under the names and with the defaults of TRL's ModelConfig."""

    use_peft: bool = option(False, "Train a LoRA adapter in place of the model.")
    lora_r: int = option(16, "Rank of the adapter.")
    lora_alpha: int = option(32, "Its output is scaled by alpha / rank.")
    lora_dropout: float = option(0.05, "Dropout in front of it.")
    lora_target_modules: list[str] | None = option(
        None, f"Layers of the language model; by default {' '.join(TARGETS)}."
    )

    def __post_init__(self) -> None:
        if self.lora_r < 1 or self.lora_alpha < 1:
            raise OptionError(
                f"expected lora_r and lora_alpha of at least 1, got {self.lora_r!r} and "
                f"{self.lora_alpha!r}"
            )
        if not 0 <= self.lora_dropout < 1:
            raise OptionError(f"expected lora_dropout from 0 to 1, got {self.lora_dropout!r}")
        unknown = set(self.targets) - set(TARGETS)
        if unknown or not self.targets:
            raise OptionError(
                f"--lora_target_modules: expected some of {', '.join(TARGETS)}; got "
                f"{', '.join(sorted(unknown)) or 'none'}"
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """The layers to adapt."""
        return TARGETS if self.lora_target_modules is None else tuple(self.lora_target_modules)


def add_adapter(model: Any, options: AdapterOptions) -> None:
    """Put an adapter into a model, whose own weights stay as they are from then on.

    Args:
        model: A model of `vlreward_paddle.modeling`.
        options: The adapter.
    """
    from paddleformers.peft import LoRAConfig, LoRAModel

    groups = {**FUSED, "o_proj": ("o_proj",), "down_proj": ("down_proj",)}
    dtype = str(next(iter(model.parameters())).dtype).rpartition(".")[2]
    for layer, parts in groups.items():
        count = sum(part in options.targets for part in parts)
        if not count:
            continue
        config = LoRAConfig(
            r=count * options.lora_r,
            lora_alpha=count * options.lora_alpha,
            lora_dropout=options.lora_dropout,
            target_modules=[rf".*{_INNER.replace('.', '[.]')}.*[.]{layer}"],
            dtype=dtype,
            tensor_model_parallel_size=model.config.tensor_model_parallel_size,
        )
        LoRAModel(model, config)
    model.adapter = options
    for name, layer in adapter_layers(model):
        if name.endswith(tuple(FUSED)):
            layer.lora_B.register_hook(partial(mul, _mask(model, name, layer.lora_B)))


def _mask(model: Any, name: str, second: Tensor) -> Tensor:
    """1 where an entry of B belongs to its block's part, of B's shape and type."""
    import paddle

    rank = model.adapter.lora_r
    mask = np.zeros(second.shape, dtype=np.float32)
    for i, (_, columns) in enumerate(parts_of(model, name)):
        mask[i * rank : (i + 1) * rank, columns] = 1
    return paddle.to_tensor(mask).astype(second.dtype)


def parts_of(model: Any, name: str) -> list[tuple[str, Any]]:
    """The adapted parts of a layer under transformers' names, each with its columns."""
    from vlreward_paddle.modeling.weights import fused_layers

    kind = name.rpartition(".")[2]
    fused = fused_layers(model.config.text_config).get(kind)
    if fused is None:
        return [(name, slice(None))]
    owner = fused.join(*(np.full(fused.groups * n, i) for i, n in enumerate(fused.widths)))
    return [
        (name[: -len(kind)] + part, np.flatnonzero(owner == i))
        for i, part in enumerate(fused.parts)
        if part in model.adapter.targets
    ]


def adapter_layers(model: Any) -> list[tuple[str, Any]]:
    """The layers that have an adapter, by name; none without."""
    return [(n, x) for n, x in model.named_sublayers() if hasattr(x, "lora_A")]


@contextmanager
def without_adapter(model: Any) -> Iterator[None]:
    """The model as it was before `add_adapter`, which is the reference of the KL term."""
    layers = [layer for _, layer in adapter_layers(model)]
    for layer in layers:
        layer.disable_lora = True
    try:
        yield
    finally:
        for layer in layers:
            layer.disable_lora = False


@contextmanager
def only_adapter(model: Any) -> Iterator[None]:
    """`state_dict` of a model is that of its adapter, all that a checkpoint of it needs."""
    whole = model.state_dict

    def state_dict(*args: Any, **kwargs: Any) -> dict[str, Tensor]:
        found = whole(*args, **kwargs)
        return {n: value for n, value in found.items() if n.endswith((".lora_A", ".lora_B"))}

    model.state_dict = state_dict
    try:
        yield
    finally:
        del model.state_dict


def merged(model: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights of a model by name, with its adapter, if it has one, added to them."""
    layers = dict(adapter_layers(model))
    for name, value in model.state_dict().items():
        layer, _, kind = name.rpartition(".")
        if kind in ("lora_A", "lora_B"):
            continue
        if kind == "weight" and layer in layers:
            adapted = layers[layer]
            product = adapted.lora_A.astype("float32") @ adapted.lora_B.astype("float32")
            value = (value.astype("float32") + product * adapted.scaling).astype(value.dtype)
        yield name, value


def adapter_weights(model: Any) -> dict[str, np.ndarray]:
    """The adapter under peft's names and in its layout, in float32."""
    found = {}
    rank = model.adapter.lora_r
    for name, layer in adapter_layers(model):
        first, second = (x.astype("float32").numpy() for x in (layer.lora_A, layer.lora_B))
        for i, (part, columns) in enumerate(parts_of(model, name)):
            rows = slice(i * rank, (i + 1) * rank)
            key = f"base_model.model.{part}"
            found[f"{key}.lora_A.weight"] = np.ascontiguousarray(first[:, rows].T)
            found[f"{key}.lora_B.weight"] = np.ascontiguousarray(second[rows, columns].T)
    return found


def save_adapter(model: Any, directory: Path, base: str) -> None:
    """Write the adapter as peft reads it; see `adapter_weights`.

    Args:
        model: A model with an adapter.
        directory: Where to.
        base: The checkpoint that it adapts.
    """
    from safetensors.numpy import save

    options: AdapterOptions = model.adapter
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": options.lora_r,
        "lora_alpha": options.lora_alpha,
        "lora_dropout": options.lora_dropout,
        "target_modules": _pattern(options.targets),
        "bias": "none",
        "inference_mode": True,
    }
    with replacing(directory / "adapter_model.safetensors", "wb") as weights:
        weights.write(save(adapter_weights(model), metadata={"format": "pt"}))
    with replacing(directory / "adapter_config.json") as file:
        file.write(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _pattern(targets: Sequence[str]) -> str:
    """The language model's layers alone: the vision tower has some of the same names."""
    return rf".*language_model.*\.({'|'.join(targets)})"
