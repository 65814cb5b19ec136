"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import paddle

from vlreward.errors import OptionError
from vlreward.training.preparing import Run, prepare_run
from vlreward_paddle.arguments import PaddleOptions
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.processing import QwenCodec

__all__ = ["prepare"]

_SHAPING = (
    "temperature", "top_k", "top_p", "epsilon", "epsilon_high", "num_iterations", "scale_rewards",
    "weight_decay", "lr_scheduler_type", "warmup_steps",
)  # fmt: skip
"""Options that shape the result, besides those that backends share."""
_POSITIONS = 32_768
"""Those of a configuration that does not say them, as transformers has it."""
_ADAPTING = ("lora_alpha", "lora_dropout", "targets")


def prepare(options: PaddleOptions) -> Run:
    """Load tokenizer and data, and check them; see `prepare_run`.

    Raises:
        CheckpointError: If the model is no Qwen-VL checkpoint.
        OptionError: If the completions of a step are no whole groups.
    """
    arguments, training, adapter = options.arguments, options.training, options.adapter
    assert arguments.model is not None
    config = read_config(arguments.model)
    codec = QwenCodec(
        arguments.model, min_pixels=arguments.min_pixels, max_pixels=arguments.max_pixels
    )
    completions = training.completions_per_device * paddle.distributed.get_world_size()
    if completions % training.num_generations:
        raise OptionError(
            "expected --per_device_train_batch_size * --gradient_accumulation_steps * processes, "
            "the completions of a step, to be a multiple of --num_generations "
            f"{training.num_generations}, got {completions}"
        )
    run = prepare_run(
        options,
        config,
        codec,
        codec.resizing,
        model_type=config["model_type"],
        rank=paddle.distributed.get_rank(),
        local_rank=max(0, training.local_rank),
        questions=completions // training.num_generations,
        steps_per_batch=training.num_iterations,
        settings={name: str(getattr(training, name)) for name in _SHAPING}
        | ({n: getattr(adapter, n) for n in _ADAPTING} if adapter.use_peft else {}),
    )
    _check_processes(run.start.checkpoint)
    if training.local_rank <= 0:
        text = {**config, **(config.get("text_config") or {})}
        run.check_lengths(codec.words, text.get("max_position_embeddings", _POSITIONS))
    codec.resizing.check(codec.image_processor, run.rows[0]["image"], tensors="np")
    return run


def _check_processes(checkpoint: str | None) -> None:
    """The library loads what one process has saved in one process alone, and what several have in
    several."""
    now = paddle.distributed.get_world_size()
    if checkpoint is None or os.environ.get("PADDLE_LOCAL_SIZE", "1") != str(now):
        return  # on several machines, whose disks may hold a part each
    before = len(list(Path(checkpoint).glob("rng_state_*.pth")))
    if before and (before == 1) != (now == 1):
        raise OptionError(
            f"--resume: {checkpoint} was left by {before} process(es), which {now} cannot load: "
            "start as many (GPUS of the scripts), or train its model on by --model "
            f"{checkpoint}/hf with another --output_dir"
        )
