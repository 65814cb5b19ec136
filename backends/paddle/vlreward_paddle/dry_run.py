"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from vlreward.training import dry_run
from vlreward.training.memory import estimate
from vlreward.training.models import ModelSize, is_vision
from vlreward.training.preparing import Run
from vlreward_paddle.lora import TARGETS

__all__ = ["describe", "measure"]

_ADAPTED = tuple(f".{name}.weight" for name in TARGETS)


def describe(run: Run) -> str:
    """See `vlreward.training.dry_run.describe`."""
    row, training = run.rows[0], run.options.training
    shown = {
        **run.options.given,
        **(vars(run.options.adapter) if run.options.adapter.use_peft else {}),
        "world_size": training.world_size,
        "completions_per_step": training.completions_per_device * training.world_size,
        "strategy": _strategy(run),
    }
    return dry_run.describe(
        run,
        {"training": shown},
        "other options have the library's defaults",
        prompt=run.processor.render(row["prompt"]),
        memory=_memory(run, row),
    )


def measure(config: dict[str, Any], path: str | Path) -> ModelSize:
    """Count the parameters of a checkpoint by the headers of its files.

    Args:
        config: Its `config.json`.
        path: Its directory.
    """
    sizes: dict[str, int] = {}
    adapter = 0
    for file in Path(path).glob("*.safetensors"):
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            for name, entry in json.loads(content.read(length)).items():
                if name != "__metadata__":
                    count = 1
                    for side in entry["shape"]:
                        count *= side
                    sizes[name] = count
                    if name.endswith(_ADAPTED) and not is_vision(name):
                        adapter += sum(entry["shape"])
    text = {**config, **(config.get("text_config") or {})}
    head = text["hidden_size"] // text["num_attention_heads"]
    return ModelSize(
        parameters=sum(sizes.values()),
        vision=sum(size for name, size in sizes.items() if is_vision(name)),
        adapter=adapter,
        layers=text["num_hidden_layers"],
        hidden=text["hidden_size"],
        intermediate=text["intermediate_size"],
        cache_per_token=2 * text["num_hidden_layers"] * text["num_key_value_heads"] * head,
        vocabulary=text["vocab_size"],
    )


def _strategy(run: Run) -> str:
    sharding = str(run.options.given.get("sharding") or "")
    if "stage3" in sharding:
        return "zero3"
    if "stage2" in sharding:
        return "zero2"
    return "ddp" if run.options.training.world_size > 1 else "single"


def _memory(run: Run, row: dict[str, Any]) -> str:
    training = run.options.training
    size = measure(run.config, run.options.arguments.model or "")
    prompt = run.processor.encode(row)
    own = estimate(
        size,
        strategy=_strategy(run),
        world_size=training.world_size,
        prompt_tokens=len(prompt.ids),
        completion_tokens=training.max_completion_length,
        completions=training.per_device_train_batch_size,
        generated=training.completions_per_device,
        beta=training.beta,
        bf16=training.bf16,
        weight_bytes=2 if training.bf16 or training.fp16 else 4,
        freeze_vision=bool(run.options.arguments.freeze_vision),
        lora_rank=run.options.adapter.lora_r if run.options.adapter.use_peft else None,
    )
    image = prompt.ids.count(run.processor.image_id)
    return dry_run.memory_text(
        size,
        own,
        words=len(prompt.ids) - image,
        image=image,
        strategy=_strategy(run),
        world_size=training.world_size,
    )
