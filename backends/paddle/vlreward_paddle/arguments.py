"""The command line: the options of the TRL backend under their names, then those of GRPOConfig."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments
from vlreward.training.recipes import recipe_for, task_names

__all__ = ["Options", "parse"]

_LAUNCH: dict[str, type] = {
    "tensor_parallel_degree": int,
    "pipeline_parallel_degree": int,
    "sharding_parallel_degree": int,
    "recompute": bool,
    "gradient_checkpointing": bool,
}
"""Names of the other library, and of TRL, that are understood too."""
_RECIPE = (
    "max_steps",
    "num_generations",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_completion_length",
    "beta",
    "learning_rate",
    "bf16",
    "gradient_checkpointing",
    "logging_steps",
    "save_strategy",
    "save_steps",
    "save_total_limit",
    "dataloader_num_workers",
    "report_to",
)


@dataclass(frozen=True)
class Options:
    """A parsed command line."""

    task: str
    """`rec`, `counting`, `geometry`, `mixture`, or the task of a plug-in."""
    arguments: Arguments
    """Options of data, prompts and rewards."""
    training: Any
    """A `vlreward_paddle.config.GRPOConfig`."""
    given: dict[str, Any]
    """Options of training that differ from the library's defaults."""
    attn_implementation: str
    """How attention is computed."""


def parse(argv: Sequence[str]) -> Options:
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
    if not argv or argv[0] in ("-h", "--help"):
        parser.parse_args(["--help"])
    task, *rest = argv
    if task not in (tasks := task_names()):
        parser.error(f"expected a task first, one of {', '.join(tasks)}; got {task!r}")
    given = _defaults(task)
    rest = [_dashes(word) for word in rest]
    config, _ = _config_option(rest)
    known = {action.dest for action in parser._actions}
    for name, value in config.items():
        if name not in known:
            raise OptionError(f"--config: expected names of options, got {name!r}")
        given[name] = value
    given |= vars(parser.parse_args(rest))
    given.pop("config", None)
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
    return Options(task, arguments, made, training, attn)


def _defaults(task: str) -> dict[str, Any]:
    import paddle

    recipe = recipe_for(task)
    gpu = bool(paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count())
    found = recipe.options(
        world_size=int(os.environ.get("PADDLE_TRAINERS_NUM", "1")),
        accelerator=gpu,
        bf16=gpu,
        workers=min(8, os.cpu_count() or 1),
    )
    return {
        **{name: found[name] for name in _RECIPE},
        "device": "gpu" if gpu else "cpu",
        "output_dir": f"outputs/grpo-paddle-{task}",
        "max_pixels": recipe.max_pixels,
        "freeze_vision": recipe.freeze_vision,
        "disable_tqdm": True,
    }


def _parser(config: type) -> argparse.ArgumentParser:
    """All options, none with a default: what is not given is the recipe's or the library's."""
    from transformers import HfArgumentParser

    parser: argparse.ArgumentParser = HfArgumentParser(
        (Arguments, config),
        prog="vlreward-train-paddle",
        usage="%(prog)s {rec,counting,geometry,mixture} --model DIR --data DATA [--image-root DIR] "
        "[--config YAML] [--dry-run] [option ...]",
        description="GRPO on a vision-language model with verifiable rewards, on PaddlePaddle.",
    )
    parser.add_argument("--config", help="YAML file with options.")
    parser.add_argument(
        "--attn_implementation", choices=["sdpa", "eager", "flashmask"], help="Default sdpa."
    )
    for name, kind in _LAUNCH.items():
        if name not in {action.dest for action in parser._actions}:
            parser.add_argument(f"--{name}", type=_flag if kind is bool else kind)
    for action in parser._actions:
        action.required = False
        if action.dest != "help":
            action.default = argparse.SUPPRESS
    return parser


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes"):
        return True
    if text.lower() in ("0", "false", "no"):
        return False
    raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")


def _dashes(word: str) -> str:
    """`--image-root` is `--image_root`."""
    name, equals, value = word.partition("=")
    return (
        name.replace("-", "_").replace("__", "--", 1) + equals + value
        if (word.startswith("--"))
        else word
    )


def _config_option(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    finder = argparse.ArgumentParser(add_help=False)
    finder.add_argument("--config")
    found, rest = finder.parse_known_args(words)
    if found.config is None:
        return {}, rest
    import yaml

    with open(found.config, encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    if not isinstance(content, dict):
        raise OptionError(f"--config: expected a mapping in {found.config!r}")
    return {str(k).replace("-", "_"): v for k, v in content.items()}, rest
