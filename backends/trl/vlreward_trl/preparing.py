"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.data import Dataset
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.resizing import Resizing
from vlreward.training.checks import check_images
from vlreward.training.models import frame_of
from vlreward.training.preparing import (
    columns_for,
    load_samples,
    reward_functions,
    task_rewards,
    tasks_of,
)
from vlreward.training.rewards import TermReward
from vlreward_trl.arguments import Options
from vlreward_trl.data import train_dataset
from vlreward_trl.models import LORA_TARGETS
from vlreward_trl.processing import load as load_processor

if TYPE_CHECKING:
    import datasets

__all__ = ["Run", "prepare", "uses_fsdp"]


@dataclass(frozen=True)
class Run:
    """All that a run needs; checked, so that training does not fail on it later."""

    options: Options
    """The command line."""
    config: Any
    """The model's configuration."""
    processor: Any
    """The model's processor, with the limits of this run."""
    resizing: Resizing
    """How it resizes images."""
    frame: Frame
    """Frame of predicted boxes."""
    samples: Dataset
    """Training samples."""
    rows: datasets.Dataset
    """Training rows, made when they are taken."""
    eval_rows: datasets.Dataset | None
    """Evaluation rows."""
    rewards: list[TermReward]
    """One reward function for each term of each task."""


def prepare(options: Options) -> Run:
    """Load configuration, processor and data, and check them.

    The first process of each machine looks at the images; the others wait for it.

    Raises:
        DataError: If rows or images are bad; names file and row.
        OptionError: If an option does not fit the data or the model.
        UnknownNameError: If a prompt, protocol or term is unknown.
        FileNotFoundError: If there is no such data file.
    """
    from transformers import AutoConfig

    arguments, training, model = options.arguments, options.training, options.model
    _check_processes(training)
    _check_reference(training, model)
    config = AutoConfig.from_pretrained(
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
    frame = frame_of(config.model_type, arguments.frame)
    if model.use_peft and model.lora_target_modules is None:
        model.lora_target_modules = LORA_TARGETS
    samples = load_samples(arguments.data, options.task, arguments)
    tasks = tasks_of(samples.provenance)
    evaluated = None
    if arguments.eval_data is not None:
        evaluated = load_samples(arguments.eval_data, options.task, arguments)
        tasks |= tasks_of(evaluated.provenance)
    rewards = task_rewards(arguments, sorted(tasks))
    rows: list[Any] = []
    for data in (samples, evaluated):
        if data is None:
            rows.append(None)
            continue
        rows.append(train_dataset(data, columns_for(data, arguments, rewards, resizing, frame)))
        if training.local_process_index == 0:
            check_images(data, resizing, arguments.check_images, progress=_progress)
    training.distributed_state.wait_for_everyone()
    resizing.check(processor.image_processor, rows[0][0]["image"], tensors="pt")
    functions = reward_functions(
        rewards,
        arguments,
        output_dir=training.output_dir,
        rank=training.process_index,
        weights=training.reward_weights,
    )
    if training.reward_weights is None:
        training.reward_weights = [function.weight for function in functions]
    return Run(options, config, processor, resizing, frame, samples, rows[0], rows[1], functions)


def uses_fsdp() -> bool:
    """Whether the launcher shards models by FSDP."""
    from accelerate.utils import parse_flag_from_env

    return bool(parse_flag_from_env("ACCELERATE_USE_FSDP"))


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


def _progress(images: Iterable[Any], total: int) -> Iterable[Any]:
    """A progress bar where somebody watches."""
    if not sys.stderr.isatty():
        return images
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(images, description="checking images", total=total, console=console)
