"""Weights under Hugging Face's names and layouts, and under Paddle's.

paddleformers can convert too, but between several processes only with GPUs, it leaves an index in
the directory that it reads, and it cannot read the biases of q, k and v that it wrote.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vlreward.files import replacing

__all__ = ["Heads", "from_hf", "read_weights", "to_hf", "write_weights"]

MAX_SHARD = 5 * 1024**3
"""Bytes of one file."""
_INDEX = "model.safetensors.index.json"
_OWN = "model.language_model."
_NOT_TURNED = ("embed_tokens.weight", "lm_head.weight")


class Heads:
    """How many heads the language model has, for the layout of its fused projection.

    Args:
        config: The language model's configuration.
    """

    def __init__(self, config: Any) -> None:
        self.groups = int(config.num_key_value_heads)
        self.queries = int(config.num_attention_heads) // self.groups
        self.width = int(config.hidden_size) // int(config.num_attention_heads)

    def join(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Fuse along the last axis: for each group its queries, its key, its value."""
        parts = [x.reshape([*x.shape[:-1], self.groups, -1]) for x in (q, k, v)]
        joined = np.concatenate(parts, axis=-1)
        return joined.reshape([*q.shape[:-1], -1])

    def split(self, fused: np.ndarray) -> list[np.ndarray]:
        """The inverse of `join`."""
        grouped = fused.reshape([*fused.shape[:-1], self.groups, -1])
        ends = [self.queries * self.width, (self.queries + 1) * self.width]
        return [x.reshape([*fused.shape[:-1], -1]) for x in np.split(grouped, ends, axis=-1)]


def hf_name(name: str) -> str:
    """Paddle's name of a parameter, or transformers 5's, as published checkpoints have it."""
    return name.replace(_OWN, "model.").replace("model.visual.", "visual.")


def _turned(name: str, value: np.ndarray) -> np.ndarray:
    """Linear layers are (out, in) in torch, (in, out) in Paddle."""
    return value.T if value.ndim == 2 and not name.endswith(_NOT_TURNED) else value


def from_hf(
    names: list[str], read: Callable[[str], np.ndarray], heads: Heads
) -> Iterator[tuple[str, np.ndarray]]:
    """Paddle's parameters from Hugging Face's.

    Args:
        names: Paddle's names.
        read: Gives a weight by its published name; raises KeyError.
        heads: Layout of the fused projection.
    """
    for name in names:
        source = hf_name(name)
        if ".self_attn.qkv_proj." in name:
            parts = [source.replace("qkv_proj", f"{x}_proj") for x in "qkv"]
            yield name, heads.join(*(_turned(part, read(part)) for part in parts))
        elif name.endswith(".mlp.up_gate_proj.weight"):
            parts = [source.replace("up_gate_proj", x) for x in ("gate_proj", "up_proj")]
            yield name, np.concatenate([_turned(part, read(part)) for part in parts], axis=-1)
        else:
            yield name, _turned(name, read(source))


def to_hf(
    weights: Iterator[tuple[str, np.ndarray]], heads: Heads, *, tied: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Hugging Face's weights from Paddle's; the head is left out if it is the embedding."""
    for name, value in weights:
        target = hf_name(name)
        if name == "lm_head.weight" and tied:
            continue
        if ".self_attn.qkv_proj." in name:
            for x, part in zip("qkv", heads.split(value)):
                target_x = target.replace("qkv_proj", f"{x}_proj")
                yield target_x, np.ascontiguousarray(_turned(target_x, part))
        elif name.endswith(".mlp.up_gate_proj.weight"):
            for x, part in zip(("gate_proj", "up_proj"), np.split(value, 2, axis=-1)):
                yield target.replace("up_gate_proj", x), np.ascontiguousarray(part.T)
        else:
            yield target, np.ascontiguousarray(_turned(name, value))


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
