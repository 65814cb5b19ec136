"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments, Options, first_task, read_config, usage
from vlreward.training.recipes import defaults

__all__ = ["TRLOptions", "parse"]

_CHECKPOINTING = "activation_checkpointing"


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
        (Arguments, GRPOConfig, ModelConfig),
        prog="vlreward-train-trl",
        usage=usage("MODEL"),
        description="GRPO on a vision-language model with verifiable rewards.",
    )
    task, rest = first_task(parser, argv)
    chosen = {} if {"-h", "--help"} & set(rest) else _chosen(parser, rest)
    if _world_size() > 1 and not _accelerator():
        # accelerate would number the CPU, `cpu:0`, and no checkpoint could be read onto that.
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
    published = defaults(
        task,
        world_size=_world_size(),
        accelerator=_accelerator(),
        bf16=_has_bf16(),
        workers=_workers(),
        chosen=chosen,
    )
    if any(action.dest == _CHECKPOINTING for action in parser._actions):
        # The same by its new name, for which transformers has no warning.
        published[_CHECKPOINTING] = chosen.get(
            "gradient_checkpointing", published.pop("gradient_checkpointing")
        )
    left = parser.set_defaults_with_config(**published, output_dir=f"outputs/grpo-{task}")
    if left:
        raise OptionError(
            f"expected a version of trl and transformers that takes {' '.join(left[::2])}, which "
            f"the recipe of {task!r} sets; got {_versions()}"
        )
    try:
        arguments, training, model = parser.parse_args_and_config(rest)
    except ValueError as error:
        raise OptionError(str(error)) from error
    name = arguments.model or model.model_name_or_path
    if name is None:
        parser.error("expected --model with the name or path of a model")
    model.model_name_or_path = name
    return TRLOptions(task, arguments, training, model)


def _chosen(parser: Any, words: Sequence[str]) -> dict[str, Any]:
    """The options that the command line gives, and those of its YAML file."""
    before = [(action, action.default, action.required) for action in parser._actions]
    for action in parser._actions:
        action.default, action.required = argparse.SUPPRESS, False
    config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    config.add_argument("--config")
    file, rest = config.parse_known_args(words)
    given = vars(parser.parse_known_args(rest)[0])
    for action, default, required in before:
        action.default, action.required = default, required
    return {**read_config(file.config), **given}


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("trl", "transformers"))


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
