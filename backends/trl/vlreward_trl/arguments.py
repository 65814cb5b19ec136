"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from transformers.integrations import get_available_reporting_integrations
from transformers.utils import is_flash_attn_2_available

from vlreward.errors import OptionError
from vlreward.training.arguments import (
    Options,
    first_task,
    read_config,
    usage,
)
from vlreward.training.help import unknown_option
from vlreward.training.recipes import defaults
from vlreward_trl.options import TRLArguments

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
        (TRLArguments, GRPOConfig, ModelConfig),
        prog="vlreward-train-trl",
        usage=usage("MODEL"),
        description="GRPO on a vision-language model with verifiable rewards.",
    )
    task, rest = first_task(parser, argv)
    if "--help_all" in rest:
        rest, chosen = ["--help"], {}
    else:
        chosen = _chosen(parser, rest)
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
    _check(chosen, training, model)
    name = arguments.model or model.model_name_or_path
    if name is None:
        parser.error("expected --model with the name or path of a model")
    arguments.model = model.model_name_or_path = name
    return TRLOptions(task, arguments, training, model)


def _chosen(parser: Any, words: Sequence[str]) -> dict[str, Any]:
    """The options that the command line gives, and those of its YAML file."""
    before = [(action, action.default, action.required) for action in parser._actions]
    for action in parser._actions:
        action.default, action.required = argparse.SUPPRESS, False
    config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    config.add_argument("--config")
    file, rest = config.parse_known_args(words)
    given, left = parser.parse_known_args(rest)
    for action, default, required in before:
        action.default, action.required = default, required
    names = {action.dest for action in parser._actions}
    configured = read_config(file.config)
    if wrong := [*left, *(name for name in configured if name not in {*names, "env"})]:
        raise unknown_option(wrong, names)
    return {**configured, **vars(given)}


def _check(chosen: Mapping[str, Any], training: Any, model: Any) -> None:
    """What would do nothing, or fail after the model is loaded."""
    if model.use_peft and chosen.get("freeze_vision") is False:
        raise OptionError(
            "--freeze_vision false: an adapter leaves the vision tower as it is; leave out one of "
            "--freeze_vision and --use_peft, or name what it adapts by --lora_target_modules"
        )
    known = get_available_reporting_integrations()
    if missing := [name for name in training.report_to if name not in known]:
        raise OptionError(f"--report_to {missing[0]} needs its package: pip install {missing[0]}")
    if training.use_vllm and find_spec("vllm") is None:
        raise OptionError("--use_vllm needs its package: pip install vllm")
    attention = model.attn_implementation or ""
    flash = is_flash_attn_2_available() or find_spec("kernels") is not None
    if attention.startswith("flash_attention") and not flash:
        raise OptionError(
            f"--attn_implementation {attention} needs the package flash-attn, or kernels; sdpa "
            "needs none"
        )


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
