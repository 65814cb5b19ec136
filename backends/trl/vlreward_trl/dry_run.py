"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import warnings
from typing import Any

from vlreward.training import dry_run
from vlreward.training.preparing import Run
from vlreward.training.recipes import defaults
from vlreward_trl.arguments import TRLOptions
from vlreward_trl.models import measure
from vlreward_trl.preparing import uses_fsdp

__all__ = ["describe", "strategy_of"]


def describe(run: Run) -> str:
    """See `vlreward.training.dry_run.describe`."""
    options, row = run.options, run.rows[0]
    prompt: str = run.processor.apply_chat_template(
        row["prompt"],
        tokenize=False,
        add_generation_prompt=True,
        **(options.training.chat_template_kwargs or {}),
    )
    area = sum(image.width * image.height for image in row["images"])
    return dry_run.describe(
        run,
        _configuration(options),
        "other options of GRPOConfig and ModelConfig have TRL's defaults",
        prompt=prompt,
        words=len(run.processor.tokenizer(prompt)["input_ids"]),
        image=area // run.resizing.factor**2,
        size=measure(run.config),
        strategy=strategy_of(options.training),
        weight_bytes=2 if options.model.dtype in ("bfloat16", "float16") else 4,
        spreads=("ddp", "zero2", "zero3", "fsdp2"),
    )


def _configuration(options: TRLOptions) -> dict[str, Any]:
    from trl import GRPOConfig

    training = options.training
    shown = {*defaults(options.task), "output_dir", "temperature", "top_p", "lr_scheduler_type"}
    with warnings.catch_warnings():  # of TRL's own defaults
        warnings.simplefilter("ignore", FutureWarning)
        plain = GRPOConfig(output_dir=training.output_dir, bf16=False).to_dict()
    return {
        "model": {
            k: v
            for k, v in vars(options.model).items()
            if v not in (None, False)
            and (options.model.use_peft or not k.startswith(("lora_", "bnb_")))
        },
        "training": {
            k: v for k, v in training.to_dict().items() if k in shown or v != plain.get(k)
        },
    }


def strategy_of(training: Any) -> str:
    """How the launcher spreads a run, as `vlreward.training.memory` calls it."""
    plugin = getattr(training, "deepspeed_plugin", None)
    if plugin is not None:
        return "zero3" if plugin.zero_stage == 3 else "zero2"
    if uses_fsdp():
        return "fsdp2"
    return "ddp" if training.world_size > 1 else "single"
