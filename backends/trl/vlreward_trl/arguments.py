"""The command line: this package's options, then every one of `GRPOConfig` and `ModelConfig`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from accelerate.utils import DistributedType, parse_flag_from_env
from transformers import GenerationConfig
from transformers.integrations import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from transformers.utils import is_flash_attn_2_available, is_torch_bf16_gpu_available

from vlreward.errors import OptionError
from vlreward.training.arguments import Options
from vlreward.training.parsing import SWITCHES, check_idle, layered, usage
from vlreward.training.recipes import defaults
from vlreward_trl.options import TRLArguments

__all__ = ["TRLOptions", "parse", "uses_fsdp"]

_NAMED = ("loss_type", "scale_rewards", "importance_sampling_level", "vllm_mode")
"""Options with a value out of those that TRL's documentation has in quotes."""
_CHECKPOINTING = "activation_checkpointing"
_SWITCHES = SWITCHES | {
    "vllm_": "use_vllm",
    "bnb_4bit_": "load_in_4bit",
    "hub_": "push_to_hub",
}


@dataclass(frozen=True)
class TRLOptions(Options):
    """A parsed command line."""

    model: Any
    """A `trl.ModelConfig`, with the model's name and LoRA targets filled in."""

    @property
    def lora_rank(self) -> int | None:
        """Rank of the LoRA adapter; None trains the model itself."""
        return self.model.lora_r if self.model.use_peft else None

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files of Paddle's, and of each of the three ways in which a model may be spread that is
        not this run's."""
        sharded, plain = {"fsdp": "*model_fsdp*", "deepspeed": "global_step*"}, "optimizer.pt"
        processes = self.training.distributed_state.distributed_type
        whole = processes in (DistributedType.NO, DistributedType.MULTI_CPU)
        if not whole and (uses_fsdp() or self.training.fsdp):  # accelerate shards nothing there
            sharded["fsdp"] = plain
        elif getattr(self.training, "deepspeed_plugin", None) is not None:
            sharded["deepspeed"] = plain
        return ("*.pdparams", "trainer_state.bin", *sharded.values())


def uses_fsdp() -> bool:
    """Whether the launcher shards models by FSDP."""
    return bool(parse_flag_from_env("ACCELERATE_USE_FSDP"))


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
    except (ValueError, ImportError) as error:  # as deepspeed, where it is not installed
        raise OptionError(str(error).strip()) from error
    _check(chosen, arguments, training, model)
    return TRLOptions(task, arguments, training, model)


def _check(chosen: Mapping[str, Any], arguments: Any, training: Any, model: Any) -> None:
    """What would do nothing, or fail after the model is loaded."""
    from trl import GRPOConfig

    check_idle(
        chosen,
        _SWITCHES,
        lambda switch: getattr(training, switch, None) or getattr(model, switch, None),
    )
    _check_mappings(chosen, training)
    if training.remove_unused_columns:
        raise OptionError("--remove_unused_columns true: rows are made when they are taken")
    if training.torch_compile_mode is not None:
        from torch._inductor import list_mode_options as modes

        if training.torch_compile_mode not in modes():
            raise OptionError(
                f"--torch_compile_mode: expected one of {', '.join(modes())}; got "
                f"{training.torch_compile_mode!r}"
            )
    for name in _NAMED:
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


def _check_mappings(chosen: Mapping[str, Any], training: Any) -> None:
    """Options in JSON, of whose keys generation and templates take any, or fail late."""
    for name in chosen:
        value = getattr(training, name, None)
        if name.endswith("_kwargs") and value is not None and not isinstance(value, dict):
            raise OptionError(f"--{name}: expected a JSON object, got {value!r:.80}")
    wrong = {"tokenize", "add_generation_prompt"} & (training.chat_template_kwargs or {}).keys()
    known = vars(GenerationConfig())
    if not training.use_vllm:
        wrong |= {key for key in training.generation_kwargs or () if key not in known}
    if wrong:
        raise OptionError(
            "--generation_kwargs, --chat_template_kwargs: expected keys that transformers knows "
            f"and that are not set here, got {', '.join(sorted(wrong))}"
        )


def _workers() -> int:
    """Eight as the published scripts have, but no more than there are cores."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, (cores or 1) // local)
