"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Options, first_task, usage
from vlreward.training.recipes import defaults
from vlreward_trl.generation import TRLArguments

__all__ = ["TRLOptions", "parse"]


@dataclass(frozen=True)
class TRLOptions(Options):
    """A parsed command line."""

    model: Any
    """A `trl.ModelConfig`, with the model's name and LoRA targets filled in."""


def parse(argv: Sequence[str]) -> TRLOptions:
    """Parse `TASK [--option value ...]`.

    A YAML file named by `--config` takes precedence over the recipe of the task, and options of
    the command line over both.

    Raises:
        SystemExit: For `--help`, and for unknown or malformed options, as argparse does.
        OptionError: If the YAML has unknown keys.
    """
    from trl import GRPOConfig, ModelConfig, TrlParser

    parser = TrlParser(
        (TRLArguments, GRPOConfig, ModelConfig),
        prog="vlreward-train-trl",
        usage=usage("MODEL"),
        description="GRPO on a vision-language model with verifiable rewards.",
    )
    task, rest = first_task(parser, argv)
    if _world_size() > 1 and not _accelerator():
        # accelerate would number the CPU, `cpu:0`, and no checkpoint could be read onto that.
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
    published = defaults(
        task,
        world_size=_world_size(),
        accelerator=_accelerator(),
        bf16=_has_bf16(),
        workers=_workers(),
    )
    parser.set_defaults_with_config(**published, output_dir=f"outputs/grpo-{task}")
    try:
        arguments, training, model = parser.parse_args_and_config(rest)
    except ValueError as error:
        raise OptionError(str(error)) from error
    name = arguments.model or model.model_name_or_path
    if name is None:
        parser.error("expected --model with the name or path of a model")
    model.model_name_or_path = name
    return TRLOptions(task, arguments, training, model)


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
