"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

import os
from typing import Any

from vlreward.engines.checkpoint import open_config
from vlreward.errors import OptionError
from vlreward.training.preparing import Run, prepare_run
from vlreward_trl.arguments import TRLOptions, uses_fsdp
from vlreward_trl.processing import load as load_processor

__all__ = ["LORA_TARGETS", "prepare"]

LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Default of `--lora_target_modules`: every linear layer of the language model, and none of the
vision tower, which `all-linear` would adapt too."""
_SHAPING = (
    "temperature", "top_k", "top_p", "epsilon", "epsilon_high", "num_iterations", "scale_rewards",
    "importance_sampling_level", "weight_decay", "lr_scheduler_type", "warmup_steps",
)  # fmt: skip
"""Options of TRL's that shape the result, besides those that backends share."""
_ADAPTING = ("lora_alpha", "lora_target_modules", "use_rslora", "use_dora")


def prepare(options: TRLOptions) -> Run:
    """Load configuration, processor and data, and check them; see `prepare_run`.

    The first process of each machine looks at the images; the others wait for it.
    """
    arguments, training, model = options.arguments, options.training, options.model
    _check_processes(training)
    _check_reference(training, model)
    config = open_config(
        model.model_name_or_path,
        revision=model.model_revision,
        trust_remote_code=training.trust_remote_code,
    )
    processor, resizing = load_processor(
        model.model_name_or_path,
        min_pixels=arguments.min_pixels,
        max_pixels=arguments.max_pixels,
        revision=model.model_revision,
        trust_remote_code=training.trust_remote_code,
    )
    if model.use_peft and model.lora_target_modules is None:
        model.lora_target_modules = LORA_TARGETS
    elif (one := model.lora_target_modules) and isinstance(one, str) and one.isidentifier():
        model.lora_target_modules = [one]  # a single name is a pattern of whole names to TRL
    run = prepare_run(
        options,
        config,
        processor,
        resizing,
        model_type=config.model_type,
        rank=training.process_index,
        local_rank=training.local_process_index,
        questions=training.generation_batch_size // training.num_generations,
        steps_per_batch=training.num_iterations
        * training.steps_per_generation
        / training.gradient_accumulation_steps,
        settings={name: getattr(training, name) for name in _SHAPING}
        | ({name: getattr(model, name) for name in _ADAPTING} if model.use_peft else {}),
    )
    if training.local_process_index == 0:
        _check_lengths(run)
    training.distributed_state.wait_for_everyone()
    resizing.check(processor.image_processor, run.rows[0]["image"], tensors="pt")
    if training.ddp_find_unused_parameters is None:
        # Every row has an image, so that each step uses what is trained; TRL looks for what is not
        # used, in vain, at each step, and every process warns of it.
        training.ddp_find_unused_parameters = False
    return run


def _check_lengths(run: Run) -> None:
    training, tokenizer = run.options.training, run.processor.tokenizer
    asked = training.use_vllm and training.vllm_max_model_length
    limit = asked or run.config.get_text_config().max_position_embeddings

    def words(messages: list[Any]) -> int:
        more = training.chat_template_kwargs or {}
        text = run.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **more
        )
        return len(tokenizer(text)["input_ids"])

    run.check_lengths(words, limit, "--vllm_max_model_length" if asked else "")


def _check_processes(training: Any) -> None:
    """Where a backend is missing, every process would train alone, as the first of one."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if training.world_size != started:
        raise OptionError(
            f"expected {started} processes, as many as the launcher started, got "
            f"{training.world_size}: each would train by itself. On CPUs say --use_cpu and launch "
            "with torchrun; on GPUs check that torch sees them"
        )


def _check_reference(training: Any, model: Any) -> None:
    """TRL 1.16 shards the reference model where it is: nobody gives it to the other processes."""
    from accelerate.utils import parse_flag_from_env

    sharded = uses_fsdp() and os.environ.get("FSDP_VERSION") == "2"
    loaded_once = parse_flag_from_env("FSDP_CPU_RAM_EFFICIENT_LOADING")
    if sharded and loaded_once and training.beta and not model.use_peft:
        raise OptionError(
            "expected fsdp_cpu_ram_efficient_loading: false in the configuration of accelerate, "
            f"got true: with FSDP2 and --beta {training.beta:g} the reference model would have "
            "the weights of the first process alone, and zeros elsewhere. Set it to false, or "
            "train without a reference model, with --beta 0"
        )
