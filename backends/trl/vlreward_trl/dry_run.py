"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import re
import warnings
from typing import Any

from vlreward.training import dry_run
from vlreward.training.models import ModelSize, is_vision
from vlreward.training.preparing import Run
from vlreward.training.recipes import defaults
from vlreward_trl.arguments import TRLOptions, uses_fsdp
from vlreward_trl.preparing import LORA_TARGETS

__all__ = ["describe", "measure"]


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
        strategy=_strategy(options.training),
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


def measure(config: Any) -> ModelSize:
    """Count the parameters of a model by building it without weights."""
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


def _strategy(training: Any) -> str:
    """How the launcher spreads a run, as `vlreward.training.memory` calls it."""
    plugin = getattr(training, "deepspeed_plugin", None)
    if plugin is not None:
        return "zero3" if plugin.zero_stage == 3 else "zero2"
    if uses_fsdp():
        return "fsdp2"
    return "ddp" if training.world_size > 1 else "single"
