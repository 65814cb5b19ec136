"""The command line: the options of the TRL backend under their names, then those of GRPOConfig."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments, Options, first_task, usage
from vlreward.training.recipes import defaults

__all__ = ["PaddleOptions", "parse"]

_LAUNCH: dict[str, type] = {
    "tensor_parallel_degree": int,
    "pipeline_parallel_degree": int,
    "sharding_parallel_degree": int,
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


def parse(argv: Sequence[str]) -> PaddleOptions:
    """Parse `TASK [--option value ...]`.

    A YAML file named by `--config` takes precedence over the recipe of the task, and options of
    the command line over both.

    Raises:
        SystemExit: For `--help`, and for unknown or malformed options, as argparse does.
        OptionError: If the YAML has unknown keys, or an option has a value that it cannot have.
    """
    from vlreward_paddle.config import GRPOConfig
    from vlreward_paddle.shim import launch_options

    parser = _parser(GRPOConfig)
    task, rest = first_task(parser, argv)
    words = vars(parser.parse_args(rest))
    config = _config(words.pop("config", None), {action.dest for action in parser._actions})
    given = {**_defaults(task), **config, **words}
    attn = given.pop("attn_implementation", "sdpa")
    own = {f.name for f in fields(Arguments)}
    if "data" not in given:
        parser.error("expected --data with the training rows")
    if given.get("model") is None:
        parser.error("expected --model with the directory of a checkpoint")
    arguments = Arguments(**{k: v for k, v in given.items() if k in own})
    if "tensorboard" in given["report_to"] and find_spec("tensorboardX") is None:
        raise OptionError("--report_to tensorboard needs a package: pip install tensorboardX")
    training = launch_options({k: v for k, v in given.items() if k not in own})
    try:
        made = GRPOConfig(**training)
    except (ValueError, AssertionError) as error:
        raise OptionError(str(error)) from error
    return PaddleOptions(task, arguments, made, training, attn)


def _defaults(task: str) -> dict[str, Any]:
    import paddle

    gpu = bool(paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count())
    found = defaults(
        task,
        world_size=int(os.environ.get("PADDLE_TRAINERS_NUM", "1")),
        accelerator=gpu,
        bf16=gpu,
        workers=min(8, os.cpu_count() or 1),
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
        (Arguments, config),
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
    for action in parser._actions:
        action.required = False
        if action.dest != "help":
            action.default = argparse.SUPPRESS
    return parser


def _spelled(name: str) -> list[str]:
    """As HfArgumentParser spells options."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"})


def _config(path: str | None, known: set[str]) -> dict[str, Any]:
    """The options of a YAML file."""
    if path is None:
        return {}
    import yaml

    with open(path, encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    if not isinstance(content, dict):
        raise OptionError(f"--config: expected a mapping in {path!r}")
    found = {str(name).replace("-", "_"): value for name, value in content.items()}
    for name in found:
        if name not in known:
            raise OptionError(f"--config: expected names of options, got {name!r}")
    return found
