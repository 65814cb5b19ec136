"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar

from transformers.integrations import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from transformers.utils import is_flash_attn_2_available, is_torch_bf16_gpu_available

from vlreward.errors import OptionError
from vlreward.training.arguments import Options
from vlreward.training.parsing import layered, usage
from vlreward.training.recipes import defaults
from vlreward_trl.options import TRLArguments

__all__ = ["TRLOptions", "parse"]

_CHECKPOINTING = "activation_checkpointing"
_SWITCHES = {
    "vllm_": "use_vllm",
    "lora_": "use_peft",
    "bnb_4bit_": "load_in_4bit",
    "hub_": "push_to_hub",
    "eval_steps": "do_eval",
    "eval_on_start": "do_eval",
}
"""Options, by the beginning of their names, that only another one gives a meaning."""


@dataclass(frozen=True)
class TRLOptions(Options):
    """A parsed command line."""

    model: Any
    """A `trl.ModelConfig`, with the model's name and LoRA targets filled in."""
    foreign: ClassVar[tuple[str, ...]] = ("*.pdparams", "trainer_state.bin")

    @property
    def lora_rank(self) -> int | None:
        """Rank of the LoRA adapter; None trains the model itself."""
        return self.model.lora_r if self.model.use_peft else None


def parse(argv: Sequence[str]) -> TRLOptions:
    """Parse a command line; see `vlreward.training.parsing.layered`."""
    import torch
    from transformers import HfArgumentParser
    from trl import GRPOConfig, ModelConfig

    parser = HfArgumentParser(
        (TRLArguments, GRPOConfig, ModelConfig),
        prog="vlreward-train-trl",
        usage=usage("MODEL"),
        description="GRPO on a vision-language model with verifiable rewards.",
    )
    known = {action.dest for action in parser._actions}
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = bool(torch.accelerator.is_available())
    if world_size > 1 and not accelerator:
        # accelerate would number the CPU, `cpu:0`, and no checkpoint could be read onto that.
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")

    def recipe(task: str, chosen: dict[str, Any]) -> dict[str, Any]:
        found = defaults(
            task,
            world_size=world_size,
            accelerator=accelerator,
            bf16=bool(is_torch_bf16_gpu_available()),
            workers=_workers(),
            chosen=chosen,
        )
        if _CHECKPOINTING in known:
            # The same by its new name, for which transformers has no warning.
            old = found.pop("gradient_checkpointing")
            found[_CHECKPOINTING] = chosen.get("gradient_checkpointing", old)
        if left := [f"--{name}" for name in found if name not in known]:
            raise OptionError(
                f"expected a version of trl and transformers that takes {' '.join(left)}, which "
                f"the recipe of {task!r} sets; got trl {version('trl')}, transformers "
                f"{version('transformers')}"
            )
        return {**found, "output_dir": f"outputs/grpo-{task}"}

    task, chosen, values = layered(parser, argv, recipe)
    values["model_name_or_path"] = values["model"]
    try:
        arguments, training, model = parser.parse_dict(values)
    except json.JSONDecodeError as error:
        objects = ", ".join(f"--{k}" for k, v in chosen.items() if str(v).startswith("{"))
        raise OptionError(f"{objects or 'an option'}: expected JSON: {error}") from error
    except ValueError as error:
        raise OptionError(str(error)) from error
    _check(chosen, arguments, training, model)
    return TRLOptions(task, arguments, training, model)


def _check(chosen: Mapping[str, Any], arguments: Any, training: Any, model: Any) -> None:
    """What would do nothing, or fail after the model is loaded."""
    from trl import GRPOConfig

    if model.use_peft and chosen.get("freeze_vision") is False:
        raise OptionError(
            "--freeze_vision false: an adapter leaves the vision tower as it is; leave out one of "
            "--freeze_vision and --use_peft, or name what it adapts by --lora_target_modules"
        )
    for prefix, switch in _SWITCHES.items():
        on = getattr(training, switch, None) or getattr(model, switch, None)
        if not on and (idle := [name for name in chosen if name.startswith(prefix)]):
            needed = "eval_data" if switch == "do_eval" else switch
            raise OptionError(
                f"--{idle[0]} does nothing without --{needed}: leave it out or add it"
            )
    for name in ("loss_type", "scale_rewards"):
        value = str(getattr(training, name))
        if f'"{value}"' not in (GRPOConfig.__doc__ or f'"{value}"'):
            raise OptionError(f"--{name}: TRL {version('trl')} knows no {value!r}; see --help_all")
    installed = get_available_reporting_integrations()
    if missing := [name for name in training.report_to if name not in installed]:
        known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
        raise OptionError(
            f"--report_to {missing[0]} needs its package: pip install {missing[0]}"
            if missing[0] in INTEGRATION_TO_CALLBACK
            else f"--report_to: expected some of {known}; got {missing[0]!r}"
        )
    if training.use_vllm and find_spec("vllm") is None:
        raise OptionError("--use_vllm needs its package: pip install 'vlreward[trl,vllm]'")
    unwatched = training.use_vllm and not training.vllm_importance_sampling_correction
    if unwatched and arguments.max_logp_difference:
        raise OptionError(
            "--vllm_importance_sampling_correction false: nothing would tell whether the sampler "
            "is the model; say --max_logp_difference 0 too"
        )
    if training.use_liger_kernel and find_spec("liger_kernel") is None:
        raise OptionError("--use_liger_kernel needs its package: pip install liger-kernel")
    attention = model.attn_implementation or ""
    flash = is_flash_attn_2_available() or find_spec("kernels") is not None
    if attention.startswith("flash_attention") and not flash:
        raise OptionError(
            f"--attn_implementation {attention} needs the package flash-attn, or kernels; sdpa "
            "needs none"
        )


def _workers() -> int:
    """Eight as the published scripts have, but no more than there are cores."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, (cores or 1) // local)
