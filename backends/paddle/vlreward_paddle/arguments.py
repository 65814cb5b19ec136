"""The command line: the options of the TRL backend under their names, then those of GRPOConfig."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments, Options
from vlreward.training.parsing import SWITCHES, check_idle, layered, usage
from vlreward.training.recipes import defaults
from vlreward_paddle.lora import AdapterOptions

__all__ = ["PaddleOptions", "parse"]

_LAUNCH: dict[str, type] = {
    "tensor_parallel_degree": int,
    "pipeline_parallel_degree": int,
    "sharding_parallel_degree": int,
    "sep_parallel_degree": int,
    "recompute": bool,
    "gradient_checkpointing": bool,
}
"""Names of the other library, and of TRL, that are understood too."""
_TRL_ONLY = ("dataloader_pin_memory", "use_cpu")


ALIASES = {
    "model_name_or_path": "model",
    "eval_strategy": "evaluation_strategy",
    "dataset_config": "data_config",
    "dataset_train_split": "split",
    "dataset_test_split": "eval_split",
}
"""Names of the original, and of TRL, that mean the same as one of ours."""
_NONE = "it was declared and never read"
_ANSWERS = {
    "dataset_name": "say --data FILE, DIR or hf:OWNER/NAME",
    "reward_funcs": "say --terms, e.g. --terms exact format; --protocol paddlemix scores as the "
    "original did",
    "reward_method": "say --protocol",
    "max_prompt_length": "prompts are never cut, which took part of the image's tokens with it; "
    "bound the image by --max-pixels",
    "log_completions": "every completion goes to OUTPUT_DIR/traces, which `vlreward doctor` reads",
    "sync_ref_model": _NONE,
    "ref_model_mixup_alpha": _NONE,
    "ref_model_sync_steps": _NONE,
    "ds3_gather_for_generation": _NONE,
    "model_init_kwargs": _NONE,
    "torch_dtype": "say --bf16 or --fp16",
    "dtype": "say --bf16 or --fp16",
}


@dataclass(frozen=True)
class PaddleOptions(Options):
    """A parsed command line; `training` is a `vlreward_paddle.config.GRPOConfig`."""

    given: dict[str, Any]
    """Options of training that differ from the library's defaults."""
    attn_implementation: str
    """How attention is computed."""
    adapter: AdapterOptions
    """Whether an adapter is trained, and which."""

    @property
    def lora_rank(self) -> int | None:
        """Rank of the LoRA adapter; None trains the model itself."""
        return self.adapter.lora_r if self.adapter.use_peft else None

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files of torch's."""
        return ("*.pt", "pytorch_model*", "adapter_model*")


def parse(argv: Sequence[str]) -> PaddleOptions:
    """Parse a command line; see `vlreward.training.parsing.layered`.

    Raises:
        OptionError: Also if an option has a value that this backend or this machine cannot do.
    """
    from vlreward_paddle.config import GRPOConfig
    from vlreward_paddle.shim import check_options, launch_options

    _refuse_old_names(argv)
    task, chosen, given = layered(_parser(GRPOConfig), argv, _recipe, ALIASES)
    if given.get("recompute") is not None:
        given["gradient_checkpointing"] = given.pop("recompute")
    if given.get("sharding") == "auto":
        given["sharding"] = "stage2" if _has_gpu() else ""
    if not given.get("sharding"):
        given.pop("sharding_parallel_degree", None)
    attn = given.pop("attn_implementation", "sdpa")
    _check_reports(given["report_to"])
    if "tensorboard" in given["report_to"] and find_spec("tensorboardX") is None:
        raise OptionError("--report_to tensorboard needs a package: pip install tensorboardX")
    kinds: tuple[Any, ...] = (Arguments, AdapterOptions)
    arguments, lora = (
        kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given})
        for kind in kinds
    )
    training = launch_options(given)
    check_options(training, gpu=_has_gpu())
    _check_device(training, attn)
    try:
        made = GRPOConfig(**training)
    except (ValueError, AssertionError) as error:
        raise OptionError(str(error)) from error
    check_idle(
        chosen, SWITCHES, lambda name: getattr(made, name, None) or getattr(lora, name, None)
    )
    return PaddleOptions(task, arguments, made, training, attn, lora)


def _refuse_old_names(words: Sequence[str]) -> None:
    """Answer options of the original that have no counterpart of that name."""
    for word in words:
        name = word.partition("=")[0]
        answer = _ANSWERS.get(name[2:].replace("-", "_")) if name.startswith("--") else None
        if answer is not None:
            raise OptionError(f"{name} is an option of PaddleMIX's r1_mllm: {answer}")


def _check_reports(names: str | Sequence[str]) -> None:
    from vlreward_paddle.shim import REPORTS

    for name in [names] if isinstance(names, str) else names:
        if name not in (known := ("none", "all", *REPORTS)):
            raise OptionError(f"--report_to: expected some of {', '.join(known)}; got {name!r}")


def _check_device(training: dict[str, Any], attention: str) -> None:
    import paddle

    gpu = _has_gpu()
    own = paddle.get_device().partition(":")[0]  # also what is neither, as xpu
    kinds = dict.fromkeys(("cpu", *["gpu"] * gpu, own, *paddle.device.get_all_custom_device_type()))
    if (device := str(training["device"])).partition(":")[0] not in kinds:
        raise OptionError(f"--device: Paddle sees {', '.join(kinds)} here, got {device!r}")
    if training.get("bf16") and not (gpu and paddle.amp.is_bfloat16_supported()):
        raise OptionError(
            "--bf16 true: this machine's device does not compute bfloat16; leave it out, or on a "
            "GPU use --fp16 true"
        )
    if training.get("fp16") and not gpu:
        raise OptionError("--fp16 true: needs a GPU, and Paddle sees none; leave it out")
    if attention == "flashmask" and not (training.get("bf16") or training.get("fp16")):
        raise OptionError(
            "--attn_implementation flashmask: its kernel is for GPUs and half precision; add "
            "--bf16 true or --fp16 true there, or use sdpa"
        )


def _has_gpu() -> bool:
    import paddle

    return bool(paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count())


def _recipe(task: str, chosen: dict[str, Any]) -> dict[str, Any]:
    import paddle

    gpu = _has_gpu()
    found = defaults(
        task,
        world_size=int(os.environ.get("PADDLE_TRAINERS_NUM", "1")),
        accelerator=gpu,
        bf16=gpu and bool(paddle.amp.is_bfloat16_supported()),
        workers=min(8, os.cpu_count() or 1),
        chosen=chosen,
    )
    return {
        **{name: value for name, value in found.items() if name not in _TRL_ONLY},
        "device": "gpu" if gpu else "cpu",
        "output_dir": f"outputs/grpo-paddle-{task}",
        "disable_tqdm": True,
    }


def _parser(config: type) -> argparse.ArgumentParser:
    from transformers.hf_argparser import HfArgumentParser, string_to_bool

    parser: argparse.ArgumentParser = HfArgumentParser(
        (Arguments, config, AdapterOptions),
        prog="vlreward-train-paddle",
        conflict_handler="resolve",  # the library has an --overwrite_output_dir of its own
        usage=usage("DIR"),
        description="GRPO on a vision-language model with verifiable rewards, on PaddlePaddle.",
    )
    parser.add_argument(
        *_spelled("self_test"),
        action="store_true",
        help="Check what this machine computes instead, and show a table; see --self-test --help.",
    )
    kinds = ["sdpa", "eager", "flashmask"]
    parser.add_argument(*_spelled("attn_implementation"), choices=kinds, help="Default sdpa.")
    for name, kind in _LAUNCH.items():
        if name not in {action.dest for action in parser._actions}:
            parser.add_argument(*_spelled(name), type=string_to_bool if kind is bool else kind)
    for name, meaning in ALIASES.items():
        words = [word for word in _spelled(name) if word not in parser._option_string_actions]
        if words:
            parser.add_argument(*words, dest=meaning, help=f"The same as --{meaning}.")
    return parser


def _spelled(name: str) -> list[str]:
    """As HfArgumentParser spells options."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"})
