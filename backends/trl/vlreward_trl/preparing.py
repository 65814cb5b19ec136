"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vlreward.data import DataError, Dataset, Provenance, load
from vlreward.frames import Frame
from vlreward.prompts import get_prompt
from vlreward.rewards import TaskReward
from vlreward_trl.arguments import Arguments, OptionError, Options
from vlreward_trl.checks import check_images
from vlreward_trl.columns import Columns, train_dataset
from vlreward_trl.models import LORA_TARGETS, frame_of
from vlreward_trl.processing import Resizing
from vlreward_trl.processing import load as load_processor
from vlreward_trl.recipes import MIXTURE
from vlreward_trl.rewards import TermReward, term_rewards
from vlreward_trl.traces import TraceFile

if TYPE_CHECKING:
    import datasets

__all__ = ["Run", "prepare"]


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
    frame = frame_of(config, arguments.frame)
    if model.use_peft and model.lora_target_modules is None:
        model.lora_target_modules = LORA_TARGETS
    samples = _samples(arguments.data, options)
    tasks = _tasks(samples.provenance)
    evaluated = None if arguments.eval_data is None else _samples(arguments.eval_data, options)
    if evaluated is not None:
        tasks |= _tasks(evaluated.provenance)
    rewards = _rewards(options, sorted(tasks))
    prompts = {
        reward.spec.name: reward.spec.prompt
        if arguments.prompt is None
        else get_prompt(arguments.prompt)
        for reward in rewards
    }
    rows: list[Any] = []
    for data in (samples, evaluated):
        if data is None:
            rows.append(None)
            continue
        assert data.images is not None
        columns = Columns(
            data.provenance.path, data.images, resizing, prompts, frame, arguments.frame is not None
        )
        rows.append(train_dataset(data, columns))
        if training.local_process_index == 0:
            check_images(data, resizing, arguments.check_images, progress=_progress)
    training.distributed_state.wait_for_everyone()
    resizing.check(processor, rows[0][0]["image"])
    return Run(
        options,
        config,
        processor,
        resizing,
        frame,
        samples,
        rows[0],
        rows[1],
        _with_weights(rewards, training, arguments),
    )


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

    sharded = parse_flag_from_env("ACCELERATE_USE_FSDP") and os.environ.get("FSDP_VERSION") == "2"
    loaded_once = parse_flag_from_env("FSDP_CPU_RAM_EFFICIENT_LOADING")
    if sharded and loaded_once and training.beta and not model.use_peft:
        raise OptionError(
            "expected fsdp_cpu_ram_efficient_loading: false in the configuration of accelerate, "
            f"got true: with FSDP2 and --beta {training.beta:g} the reference model would have "
            "the weights of the first process alone, and zeros elsewhere. Set it to false, or "
            "train without a reference model, with --beta 0"
        )


def _samples(path: str, options: Options) -> Dataset:
    arguments = options.arguments
    mixed = options.task == MIXTURE
    on_missing: Any = arguments.on_missing
    on_bad_gold: Any = arguments.on_bad_gold
    samples = load(
        path,
        task=None if mixed else options.task,
        schema=arguments.schema,
        split=arguments.split,
        image_root=arguments.image_root,
        flat_images=arguments.flat_images,
        on_missing=on_missing,
        on_bad_gold=on_bad_gold,
    )
    if samples.images is None:
        raise OptionError(f"{path}: no image root is known: give --image-root DIR")
    found = _tasks(samples.provenance)
    if not mixed and found != {options.task}:
        raise DataError(
            f"expected rows of the task {options.task!r}, got {', '.join(sorted(found))}; train "
            f"on several tasks with: vlreward-train-trl {MIXTURE}",
            path=path,
        )
    return samples


def _tasks(provenance: Provenance) -> set[str]:
    if provenance.parts:
        return set().union(*(_tasks(part) for part in provenance.parts))
    return {provenance.task}


def _rewards(options: Options, tasks: list[str]) -> list[TaskReward]:
    """One reward for each task, with the terms and weights that were asked for."""
    arguments = options.arguments
    terms = _by_task(arguments.terms or (), tasks, "--terms")
    weights: dict[str, dict[str, float]] = {task: {} for task in tasks}
    named = [text.partition("=") for text in arguments.weights or ()]
    for (task, name), (_, _, value) in zip(
        _pairs([name for name, _, _ in named], tasks, "--weights"), named, strict=True
    ):
        try:
            weights[task][name] = float(value)
        except ValueError:
            raise OptionError(
                f"--weights: expected TERM=NUMBER, got {name + '=' + value!r}"
            ) from None
    on_timeout: Literal["zero", "none"] = "none" if arguments.on_timeout == "none" else "zero"
    return [
        TaskReward(
            task,
            terms=terms.get(task),
            weights=weights[task] or None,
            protocol=arguments.protocol,
            clip=arguments.clip and task == "rec",
            on_timeout=on_timeout,
        )
        for task in tasks
    ]


def _pairs(names: Iterable[str], tasks: list[str], option: str) -> list[tuple[str, str]]:
    """(task, term) of names such as `rec.iou`, or `iou` where there is one task."""
    pairs = []
    for name in names:
        task, dot, term = name.rpartition(".")
        if not dot and len(tasks) == 1:
            task = tasks[0]
        if task not in tasks:
            raise OptionError(
                f"{option}: expected TASK.TERM with a task of the data, {', '.join(tasks)}; got "
                f"{name!r}"
            )
        pairs.append((task, term))
    return pairs


def _by_task(names: Iterable[str], tasks: list[str], option: str) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    for task, term in _pairs(names, tasks, option):
        chosen.setdefault(task, []).append(term)
    return chosen


def _with_weights(
    rewards: list[TaskReward], training: Any, arguments: Arguments
) -> list[TermReward]:
    traces = None
    if arguments.traces:
        traces = TraceFile(f"{training.output_dir}/traces", training.process_index)
    functions = term_rewards(rewards, traces=traces)
    given = training.reward_weights
    if given is None:
        training.reward_weights = [function.weight for function in functions]
    elif len(given) != len(functions):
        raise OptionError(
            f"--reward_weights: expected {len(functions)} numbers, for "
            f"{', '.join(f.__name__ for f in functions)}; got {given!r}"
        )
    return functions


def _progress(images: Iterable[Any], total: int) -> Iterable[Any]:
    """A progress bar where somebody watches."""
    if not sys.stderr.isatty():
        return images
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(images, description="checking images", total=total, console=console)
