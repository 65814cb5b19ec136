"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vlreward_trl.recipes import MIXTURE, RECIPES, recipe_for

__all__ = ["CHECKS", "Arguments", "OptionError", "Options", "parse"]

CHECKS = ("all", "headers", "sample", "none")
"""How images are checked before the first step; see `vlreward_trl.checks`."""


class OptionError(ValueError):
    """An option that cannot be used; the command line shows it in one line."""


def _option(default: Any, help: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class Arguments:
    """Options that are neither TRL's nor the model's."""

    data: str = field(
        metadata={
            "help": "Training rows: .json, .jsonl, .parquet, a saved data set, hf:OWNER/NAME, or a "
            ".yaml that lists several of them, each with its sampling strategy."
        }
    )
    model: str | None = _option(None, "Model name or path; the same as --model_name_or_path.")
    image_root: str | None = _option(None, "Directory that the rows' image names start from.")
    eval_data: str | None = _option(None, "Rows for evaluation during training, as --data.")
    split: str | None = _option(None, "Split of a Hugging Face data set.")
    schema: str | None = _option(None, "Schema of the rows; by default recognised.")
    flat_images: bool = _option(False, "Look for images by base name, directly in image_root.")
    on_missing: str = _option(
        "error", "What to do about rows without their image.", choices=["error", "skip"]
    )
    on_bad_gold: str = _option(
        "error", "What to do about rows with a bad gold.", choices=["error", "skip"]
    )
    check_images: str = _option(
        "all",
        "Before the first step: decode all images, read only their headers, decode a sample of "
        "1,000, or none.",
        choices=list(CHECKS),
    )
    prompt: str | None = _option(None, "Prompt preset; by default the task's own.")
    protocol: str = _option("strict", "Whose rules score the answers.")
    terms: list[str] | None = _option(  # noqa: RUF009
        None, "Reward terms, e.g. `giou format`; in a mixture `rec.giou rec.format ...`."
    )
    weights: list[str] | None = _option(  # noqa: RUF009
        None, "Weights of terms, e.g. `format=0.5`; in a mixture `rec.format=0.5`."
    )
    on_timeout: str = _option(
        "zero",
        "Reward of an answer whose verification did not finish: zero, or none to leave it out.",
        choices=["zero", "none"],
    )
    clip: bool = _option(False, "Clip predicted boxes to their frame instead of failing them.")
    frame: str | None = _option(
        None, "Coordinate frame of predicted boxes; by default that of the model family."
    )
    min_pixels: int | None = _option(None, "Smallest area in pixels of the image as seen.")
    max_pixels: int | None = _option(None, "Largest area in pixels of the image as seen.")
    freeze_vision: bool | None = _option(None, "Train the language model alone.")
    traces: bool = _option(True, "Write one JSON line per completion to OUTPUT_DIR/traces.")
    dry_run: bool = _option(
        False, "Print what would be trained, one prompt, its rewards, and the memory; then stop."
    )


@dataclass(frozen=True)
class Options:
    """A parsed command line."""

    task: str
    """`rec`, `counting`, `geometry`, `mixture`, or the task of a plug-in."""
    arguments: Arguments
    """This package's options."""
    training: Any
    """A `trl.GRPOConfig`."""
    model: Any
    """A `trl.ModelConfig`, with the model's name and LoRA targets filled in."""


def parse(argv: Sequence[str]) -> Options:
    """Parse `TASK [--option value ...]`.

    A YAML file named by `--config` takes precedence over the recipe of the task, and options of
    the command line over both.

    Raises:
        SystemExit: For `--help`, and for unknown or malformed options, as argparse does.
        OptionError: If the YAML has unknown keys.
    """
    from trl import GRPOConfig, ModelConfig, TrlParser

    parser = TrlParser(
        (Arguments, GRPOConfig, ModelConfig),
        prog="vlreward-train-trl",
        usage="%(prog)s {rec,counting,geometry,mixture} --model MODEL --data DATA "
        "[--image-root DIR] [--config YAML] [--dry-run] [option ...]",
        description="GRPO on a vision-language model with verifiable rewards.",
    )
    if not argv or argv[0] in ("-h", "--help"):
        parser.parse_args(["--help"])
    task, *rest = argv
    if task.startswith("-") or not _is_task(task):
        parser.error(f"expected a task first, one of {', '.join(_tasks())}; got {task!r}")
    recipe = recipe_for(task)
    if _world_size() > 1 and not _accelerator():
        # accelerate would number the CPU, `cpu:0`, and no checkpoint could be read onto that.
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
    defaults = recipe.options(
        world_size=_world_size(), accelerator=_accelerator(), bf16=_has_bf16(), workers=_workers()
    )
    parser.set_defaults_with_config(
        **defaults,
        output_dir=f"outputs/grpo-{task}",
        max_pixels=recipe.max_pixels,
        freeze_vision=recipe.freeze_vision,
    )
    try:
        arguments, training, model = parser.parse_args_and_config(rest)
    except ValueError as error:
        raise OptionError(str(error)) from error
    name = arguments.model or model.model_name_or_path
    if name is None:
        parser.error("expected --model with the name or path of a model")
    model.model_name_or_path = name
    return Options(task, arguments, training, model)


def _tasks() -> list[str]:
    from vlreward.tasks import TASKS

    return [*RECIPES, *sorted({name.partition("@")[0] for name in TASKS} - set(RECIPES))]


def _is_task(name: str) -> bool:
    return name == MIXTURE or name in _tasks()


def _world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _accelerator() -> bool:
    import torch

    return bool(torch.accelerator.is_available())


def _has_bf16() -> bool:
    from transformers.utils import is_torch_bf16_gpu_available

    return bool(is_torch_bf16_gpu_available())


def _workers() -> int:
    """Eight as the published scripts have, but no more than there are cores."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, (cores or 1) // local)
