"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from vlreward.training import dry_run
from vlreward.training.models import ModelSize, is_vision
from vlreward.training.preparing import Run
from vlreward_paddle.arguments import PaddleOptions
from vlreward_paddle.lora import TARGETS

__all__ = ["describe", "measure"]

_ADAPTED = tuple(f".{name}.weight" for name in TARGETS)


def describe(run: Run) -> str:
    """See `vlreward.training.dry_run.describe`."""
    row, options = run.rows[0], run.options
    training, adapter = options.training, options.adapter
    prompt = run.processor.encode(row)
    image = prompt.ids.count(run.processor.image_id)
    return dry_run.describe(
        run,
        {"training": {**options.given, **(vars(adapter) if adapter.use_peft else {})}},
        "other options have the library's defaults",
        prompt=run.processor.render(row["prompt"]),
        words=len(prompt.ids) - image,
        image=image,
        size=measure(run.config, options.arguments.model),
        strategy=_strategy(options),
        weight_bytes=2 if training.bf16 or training.fp16 else 4,
    )


def measure(config: dict[str, Any], path: str | Path) -> ModelSize:
    """Count the parameters of a checkpoint by the headers of its files.

    Args:
        config: Its `config.json`.
        path: Its directory.
    """
    from safetensors import safe_open

    sizes: dict[str, int] = {}
    adapter = 0
    for file in Path(path).glob("*.safetensors"):
        with safe_open(file, framework="numpy") as content:
            for name in content.keys():  # noqa: SIM118
                shape = content.get_slice(name).get_shape()
                sizes[name] = math.prod(shape)
                if name.endswith(_ADAPTED) and not is_vision(name):
                    adapter += sum(shape)
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


def _strategy(options: PaddleOptions) -> str:
    sharding = str(options.given.get("sharding") or "")
    if "stage2" in sharding:
        return "zero2"
    return "ddp" if options.training.world_size > 1 else "single"
