"""Weights under Hugging Face's names and layouts, and under Paddle's.

paddleformers can convert too, but between several processes only with GPUs, it leaves an index in
the directory that it reads, and it cannot read the biases of q, k and v that it wrote.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlreward.files import replacing
from vlreward_paddle.lora import FUSED

__all__ = ["Fused", "from_hf", "fused_layers", "read_weights", "to_hf", "write_weights"]

MAX_SHARD = 5 * 1024**3
"""Bytes of one file."""
_INDEX = "model.safetensors.index.json"
_OWN = "model.language_model."
_NOT_TURNED = ("embed_tokens.weight", "lm_head.weight")


@dataclass(frozen=True)
class Fused:
    """The layout of a layer that paddleformers makes of several of transformers'."""

    parts: tuple[str, ...]
    """Their names."""
    groups: int
    """Groups of columns, each of which has some of every part."""
    widths: tuple[int, ...]
    """How many columns of a group are each part's."""

    def join(self, *parts: np.ndarray) -> np.ndarray:
        """Fuse along the last axis."""
        grouped = [x.reshape([*x.shape[:-1], self.groups, -1]) for x in parts]
        return np.concatenate(grouped, axis=-1).reshape([*parts[0].shape[:-1], -1])

    def split(self, fused: np.ndarray) -> list[np.ndarray]:
        """The inverse of `join`."""
        grouped = fused.reshape([*fused.shape[:-1], self.groups, -1])
        parts = np.split(grouped, np.cumsum(self.widths)[:-1], axis=-1)
        return [x.reshape([*fused.shape[:-1], -1]) for x in parts]


def fused_layers(config: Any) -> dict[str, Fused]:
    """The fused layers of a language model by name: for each group of heads its queries, its key
    and its value; and both inputs of the MLP.

    Args:
        config: The language model's configuration.
    """
    groups, heads = int(config.num_key_value_heads), int(config.num_attention_heads)
    width, inner = int(config.hidden_size) // heads, int(config.intermediate_size)
    layouts = {
        "qkv_proj": (groups, (heads // groups * width, width, width)),
        "up_gate_proj": (1, (inner, inner)),
    }
    return {name: Fused(FUSED[name], *layout) for name, layout in layouts.items()}


def hf_name(name: str) -> str:
    """Paddle's name of a parameter, or transformers 5's, as published checkpoints have it."""
    return name.replace(_OWN, "model.").replace("model.visual.", "visual.")


def _turned(name: str, value: np.ndarray) -> np.ndarray:
    """Linear layers are (out, in) in torch, (in, out) in Paddle."""
    return value.T if value.ndim == 2 and not name.endswith(_NOT_TURNED) else value


def _parts(name: str, layers: Mapping[str, Fused]) -> tuple[Fused | None, list[str]]:
    """The layout of a parameter, if it is fused, and the published names of its parts."""
    kind, source = name.rpartition(".")[0].rpartition(".")[2], hf_name(name)
    fused = layers.get(kind)
    return fused, [source] if fused is None else [source.replace(kind, x) for x in fused.parts]


def from_hf(
    names: list[str], read: Callable[[str], np.ndarray], layers: Mapping[str, Fused]
) -> Iterator[tuple[str, np.ndarray]]:
    """Paddle's parameters from Hugging Face's.

    Args:
        names: Paddle's names.
        read: Gives a weight by its published name; raises KeyError.
        layers: The fused layers.
    """
    for name in names:
        fused, parts = _parts(name, layers)
        values = [_turned(part, read(part)) for part in parts]
        yield name, values[0] if fused is None else fused.join(*values)


def to_hf(
    weights: Iterator[tuple[str, np.ndarray]], layers: Mapping[str, Fused], *, tied: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Hugging Face's weights from Paddle's; the head is left out if it is the embedding."""
    for name, value in weights:
        if name == "lm_head.weight" and tied:
            continue
        fused, parts = _parts(name, layers)
        for part, of_part in zip(parts, [value] if fused is None else fused.split(value)):
            yield part, np.ascontiguousarray(_turned(part, of_part))


def read_weights(directory: Path) -> Callable[[str], np.ndarray]:
    """A function that reads a weight by its published name, from whichever file has it.

    Raises:
        FileNotFoundError: If the directory has no safetensors.
    """
    import ml_dtypes  # noqa: F401  (numpy then knows bfloat16)
    from safetensors import safe_open

    files = {}
    for path in sorted(directory.glob("*.safetensors")):
        handle = safe_open(path, framework="numpy")
        files.update({hf_name(key): (handle, key) for key in handle.keys()})  # noqa: SIM118
    if not files:
        raise FileNotFoundError(f"expected *.safetensors in {str(directory)!r}, found none")

    def read(name: str) -> np.ndarray:
        handle, key = files[name]
        value: np.ndarray = handle.get_tensor(key)
        return value

    return read


def write_weights(weights: Iterator[tuple[str, np.ndarray]], directory: Path) -> None:
    """Write `model.safetensors`, or several files of at most `MAX_SHARD` bytes with their index.

    They are written aside; older ones go when all are there.
    """
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".weights-", dir=directory))
    try:
        shards: list[list[str]] = []
        held: dict[str, np.ndarray] = {}
        total = 0

        def flush() -> None:
            save_file(held, aside / f"{len(shards)}", metadata={"format": "pt"})
            shards.append(list(held))
            held.clear()

        for name, value in weights:
            if held and sum(v.nbytes for v in held.values()) + value.nbytes > MAX_SHARD:
                flush()
            held[name] = value
            total += value.nbytes
        flush()
        count = len(shards)
        targets = [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
        if count == 1:
            targets = ["model.safetensors"]
        for i, target in enumerate(targets):
            (aside / f"{i}").replace(directory / target)
    finally:
        shutil.rmtree(aside)
    for old in directory.glob("*.safetensors"):
        if old.name not in targets:
            old.unlink()
    if count == 1:
        (directory / _INDEX).unlink(missing_ok=True)
        return
    names = {key: target for keys, target in zip(shards, targets) for key in keys}
    index = {"metadata": {"total_size": total}, "weight_map": names}
    text = json.dumps(index, indent=2) + "\n"
    with replacing(directory / _INDEX) as file:
        file.write(text)
