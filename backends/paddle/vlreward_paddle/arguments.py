"""The command line: the options of the TRL backend under their names, then those of GRPOConfig."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments, Options, first_task, read_config, usage
from vlreward.training.recipes import defaults
from vlreward_paddle.lora import AdapterOptions
from vlreward_paddle.original import ALIASES, refuse_old_names

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


@dataclass(frozen=True)
class PaddleOptions(Options):
    """A parsed command line; `training` is a `vlreward_paddle.config.GRPOConfig`."""

    given: dict[str, Any]
    """Options of training that differ from the library's defaults."""
    attn_implementation: str
    """How attention is computed."""
    adapter: AdapterOptions
    """Whether an adapter is trained, and which."""


def parse(argv: Sequence[str]) -> PaddleOptions:
    """Parse `TASK [--option value ...]`.

    A YAML file named by `--config` takes precedence over the recipe of the task, and options of
    the command line over both.

    Raises:
        SystemExit: For `--help`, and for unknown or malformed options, as argparse does.
        OptionError: If the YAML has unknown keys, or an option has a value that it cannot have, or
            that this backend or this machine cannot do.
    """
    from vlreward_paddle.config import GRPOConfig
    from vlreward_paddle.shim import check_options, launch_options

    parser = _parser(GRPOConfig)
    argv = ["--help" if word == "--help_all" and i else word for i, word in enumerate(argv)]
    task, rest = first_task(parser, argv)
    refuse_old_names(rest)
    words = vars(parser.parse_args(rest))
    chosen = {**_config(words.pop("config", None), parser), **words}
    given = {ALIASES.get(k, k): v for k, v in {**_defaults(task, chosen), **chosen}.items()}
    if given.get("recompute") is not None:
        given["gradient_checkpointing"] = given.pop("recompute")
    if given.get("sharding") == "auto":
        given["sharding"] = "stage2" if _has_gpu() else ""
    if not given.get("sharding"):
        given.pop("sharding_parallel_degree", None)
    attn = given.pop("attn_implementation", "sdpa")
    own = {f.name for f in fields(Arguments)}
    adapter = {f.name for f in fields(AdapterOptions)}
    if "data" not in given:
        parser.error("expected --data with the training rows")
    if given.get("model") is None:
        parser.error("expected --model with the directory of a checkpoint")
    arguments = Arguments(**{k: v for k, v in given.items() if k in own})
    if "tensorboard" in given["report_to"] and find_spec("tensorboardX") is None:
        raise OptionError("--report_to tensorboard needs a package: pip install tensorboardX")
    training = launch_options({k: v for k, v in given.items() if k not in own | adapter})
    check_options(training, gpu=_has_gpu())
    _check_device(training, attn)
    try:
        made = GRPOConfig(**training)
    except (ValueError, AssertionError) as error:
        raise OptionError(str(error)) from error
    lora = AdapterOptions(**{k: v for k, v in given.items() if k in adapter})
    return PaddleOptions(task, arguments, made, training, attn, lora)


def _check_device(training: dict[str, Any], attention: str) -> None:
    import paddle

    gpu = _has_gpu()
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


def _defaults(task: str, chosen: dict[str, Any]) -> dict[str, Any]:
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
    """All options, none with a default: what is not given is the recipe's or the library's."""
    from transformers.hf_argparser import HfArgumentParser, string_to_bool

    parser: argparse.ArgumentParser = HfArgumentParser(
        (Arguments, config, AdapterOptions),
        prog="vlreward-train-paddle",
        conflict_handler="resolve",  # the library has an --overwrite_output_dir of its own
        usage=usage("DIR"),
        description="GRPO on a vision-language model with verifiable rewards, on PaddlePaddle.",
    )
    parser.add_argument("--config", help="YAML file with options.")
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
    for action in parser._actions:
        action.required = False
        if action.dest != "help":
            action.default = argparse.SUPPRESS
    return parser


def _spelled(name: str) -> list[str]:
    """As HfArgumentParser spells options."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"})


def _config(path: str | None, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The options of a YAML file."""
    found = read_config(path)
    known = {action.dest for action in parser._actions} | ALIASES.keys()
    for name in found:
        if name not in known:
            raise OptionError(f"--config: expected names of options, got {name!r}")
    return found
