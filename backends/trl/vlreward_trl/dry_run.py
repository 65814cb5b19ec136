"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import warnings
from typing import Any

from vlreward.training import dry_run
from vlreward.training.memory import MemoryEstimate, estimate
from vlreward.training.models import ModelSize
from vlreward.training.preparing import Run
from vlreward.training.recipes import defaults
from vlreward_trl.models import measure
from vlreward_trl.preparing import uses_fsdp

__all__ = ["describe", "strategy_of"]


def describe(run: Run) -> str:
    """See `vlreward.training.dry_run.describe`."""
    row = run.rows[0]
    others = "other options of GRPOConfig and ModelConfig have TRL's defaults"
    prompt, memory = _prompt(run, row), _memory(run, row)
    return dry_run.describe(run, _configuration(run), others, prompt=prompt, memory=memory)


def _configuration(run: Run) -> dict[str, Any]:
    from trl import GRPOConfig

    options, training = run.options, run.options.training
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
            **{k: v for k, v in training.to_dict().items() if k in shown or v != plain.get(k)},
            "world_size": training.world_size,
            "completions_per_step": training.generation_batch_size,
            "strategy": strategy_of(training),
        },
    }


def _prompt(run: Run, row: dict[str, Any]) -> str:
    text: str = run.processor.apply_chat_template(
        row["prompt"],
        tokenize=False,
        add_generation_prompt=True,
        **(run.options.training.chat_template_kwargs or {}),
    )
    return text


def _memory(run: Run, row: dict[str, Any]) -> str:
    training = run.options.training
    size = measure(run.config)
    area = sum(image.width * image.height for image in row["images"])
    image = area // run.resizing.factor**2
    words = len(run.processor.tokenizer(_prompt(run, row))["input_ids"])

    def estimated(strategy: str, world_size: int) -> MemoryEstimate:
        return _estimate(run, size, words + image, strategy, world_size)

    strategy, world_size = strategy_of(training), training.world_size
    own = estimated(strategy, world_size)
    text = dry_run.memory_text(
        size, own, words=words, image=image, strategy=strategy, world_size=world_size
    )
    if world_size == 1:
        for other in ("ddp", "zero2", "zero3", "fsdp2"):
            total = estimated(other, 8).total
            text += f"\n{other + ' on 8':<12} {total / 1024**3:8.2f} GiB"
    return text


def _estimate(
    run: Run, size: ModelSize, prompt_tokens: int, strategy: str, world_size: int
) -> MemoryEstimate:
    """The memory that a run takes on each GPU, with the number of completions that it has now."""
    training, model = run.options.training, run.options.model
    least = training.per_device_train_batch_size
    generated = least * training.steps_per_generation * training.world_size // world_size
    return estimate(
        size,
        strategy=strategy,
        world_size=world_size,
        prompt_tokens=prompt_tokens,
        completion_tokens=training.max_completion_length,
        completions=least,
        generated=max(least, generated),
        beta=training.beta,
        bf16=training.bf16,
        weight_bytes=2 if model.dtype in ("bfloat16", "float16") else 4,
        freeze_vision=bool(run.options.arguments.freeze_vision),
        lora_rank=model.lora_r if model.use_peft else None,
    )


def strategy_of(training: Any) -> str:
    """How the launcher spreads a run, as `vlreward.training.memory` calls it."""
    plugin = getattr(training, "deepspeed_plugin", None)
    if plugin is not None:
        return "zero3" if plugin.zero_stage == 3 else "zero2"
    if uses_fsdp():
        return "fsdp2"
    return "ddp" if training.world_size > 1 else "single"
