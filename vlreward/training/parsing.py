"""The command line of both backends: its layers, the page of help, and what is said of options."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from vlreward._text import one_line
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.training.arguments import Arguments
from vlreward.training.ranges import check_ranges
from vlreward.training.recipes import task_names

__all__ = ["SWITCHES", "check_idle", "in_options", "layered", "short_help", "usage"]

SWITCHES = {
    "lora_": "use_peft",
    **dict.fromkeys(("eval_steps", "eval_on_start", "load_best_model_at_end"), "do_eval"),
}
"""What only other options give a meaning in every backend, see `check_idle`."""


def usage(model: str) -> str:
    """How a backend is called; `model` stands for what it takes as one."""
    tasks = ",".join(task_names())
    return (
        f"%(prog)s {{{tasks}}} --model {model} --data DATA [--image-root DIR] [--config YAML] "
        "[--dry-run] [option ...]"
    )


def short_help(prog: str, model: str, more: Sequence[Any] = ()) -> str:
    """What `--help` prints: these options, and what the tasks offer for them.

    Args:
        prog: The name of the command.
        model: What it takes as a model.
        more: Data classes of the backend's own options.
    """
    from transformers import HfArgumentParser

    from vlreward.prompts import PRESETS
    from vlreward.tasks import TASKS

    described = (
        "GRPO on a vision-language model with verifiable rewards. --help_all also lists every "
        "option of the trainer and the model, with the defaults of the task in front of it."
    )
    parser = HfArgumentParser(
        (Arguments, *more), prog=prog, usage=usage(model), description=described
    )
    lines = [parser.format_help().rstrip(), "", "tasks, with their --terms and --protocol:"]
    for name in TASKS:
        task = TASKS.get(name)
        extra = [term.name for term in task.extra_terms]
        protocols = dict.fromkeys(spec.protocol for spec in (task, *task.variants))
        lines.append(
            f"  {name}: {' '.join(term.name for term in task.terms)}"
            + (f"; also {' '.join(extra)}" if extra else "")
            + f"; {', '.join(protocols)}"
        )
    lines += ["", f"--prompt: {', '.join(sorted(PRESETS))}", f"--frame: {', '.join(Frame)}"]
    return "\n".join(lines)


def layered(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    recipe: Callable[[str, dict[str, Any]], dict[str, Any]],
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read `TASK [--option value ...]`: options of the command line over those of the YAML file
    that `--config` names, and both over the recipe of the task.

    The environment that the file names under `env` is set.

    Args:
        parser: Knows all options.
        argv: The words.
        recipe: The defaults of a task, which may depend on what is given.
        aliases: Other names that options have in the file and in the recipe.

    Returns:
        The task, the options that are given by name, and those with the recipe's.

    Raises:
        SystemExit: For `--help_all`, and for missing or malformed options, as argparse does.
        OptionError: For options that nobody takes, for numbers out of their range, and if the file
            cannot be read.
    """
    parser.add_argument("--config", help="YAML file with options.")
    if argv and argv[0] == "--help_all":
        parser.parse_args(["--help"])
    task, *rest = argv or [""]
    if task not in (tasks := task_names()):
        got = f"; got {task!r}" if task else ""
        parser.error(f"expected a task first, one of {', '.join(tasks)}{got}")
    if "--help_all" in rest:
        parser.set_defaults(**recipe(task, {}))
        parser.parse_args(["--help"])
    given = _given(parser, rest, aliases)
    check_ranges(given)
    values = {aliases.get(k, k): v for k, v in recipe(task, given).items()} | given
    values["model"] = values.get("model") or values.get("model_name_or_path")
    for name, what in (("data", "the training rows"), ("model", "its name or directory")):
        if not values.get(name):
            parser.error(f"expected --{name} with {what}")
    return task, given, values


def check_idle(
    chosen: Mapping[str, Any], switches: Mapping[str, str], is_on: Callable[[str], Any]
) -> None:
    """Look for options that only another one gives a meaning.

    Args:
        chosen: The options that were given.
        switches: The other one, by what names of options begin with.
        is_on: Whether that one is in use; `do_eval` stands for rows to evaluate on.

    Raises:
        OptionError: If it is not; also for `--freeze_vision false` with an adapter.
    """
    # None and False leave things as they are.
    given = [name for name, v in chosen.items() if v is not None and v is not False]
    for prefix, switch in switches.items():
        if not is_on(switch) and (idle := [name for name in given if name.startswith(prefix)]):
            needed = "eval_data" if switch == "do_eval" else switch
            raise OptionError(
                f"--{idle[0]} does nothing without --{needed}: leave it out or add it"
            )
    if is_on("use_peft") and chosen.get("freeze_vision") is False:
        raise OptionError(
            "--freeze_vision false: an adapter leaves the vision tower as it is; leave out one of "
            "--freeze_vision and --use_peft, or name what it adapts by --lora_target_modules"
        )


def _given(
    parser: argparse.ArgumentParser, words: Sequence[str], aliases: Mapping[str, str]
) -> dict[str, Any]:
    actions = {action.dest: action for action in reversed(parser._actions)}
    for action in parser._actions:
        action.default, action.required = argparse.SUPPRESS, False
    given, left = parser.parse_known_args(words)
    found = vars(given)
    configured = {
        aliases.get(name, name): value
        for name, value in _read_config(found.pop("config", None)).items()
    }
    environment = configured.pop("env", {})
    if wrong := [*left, *(name for name in configured if name not in actions)]:
        raise _unknown_option(wrong, actions)
    os.environ.update({name: str(value) for name, value in environment.items()})
    for name, value in configured.items():
        several, action = isinstance(value, list), actions[name]
        if several and action.nargs is None:
            if action.type in (int, float):
                raise OptionError(f"--config: expected one number as {name}, got {value!r:.80}")
            continue  # some take what a command line cannot say
        words = value if several else [value]
        if all(isinstance(word, (str, int, float)) for word in words):  # 1e-6 is text to YAML
            try:
                configured[name] = parser._get_values(action, [str(word) for word in words])
            except argparse.ArgumentError as error:
                raise OptionError(f"--config: {one_line(error)}") from None
    return {**configured, **found}


def _read_config(path: str | None) -> dict[str, Any]:
    """The options of a YAML file, by their names with underscores; none without a file."""
    if path is None:
        return {}
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file) or {}
    except (OSError, yaml.YAMLError) as error:
        raise OptionError(f"--config {path}: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise OptionError(f"--config: expected a mapping in {path!r}, got {content!r:.80}")
    return {str(name).replace("-", "_"): value for name, value in content.items()}


def _unknown_option(words: Sequence[str], known: Collection[str]) -> OptionError:
    """The error for what nobody takes, with options of similar names."""
    wrong = [word for word in words if re.match(r"-\D", word)] or list(words)  # no numbers
    said = []
    for word in wrong:
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        near = [f"--{close}" for close in difflib.get_close_matches(name, known, 3, 0.7)]
        said.append(f"--{name}" + (f" (did you mean {' or '.join(near)}?)" if near else ""))
    return OptionError(f"unknown option {', '.join(said)}; --help_all lists all")


def in_options(text: str) -> str:
    """A message of the library about its arguments, about the options of the command line.

    Example:
        >>> in_options("leave these rows out with on_missing='skip'")
        'leave these rows out with --on_missing skip'
    """
    names = "|".join(f.name for f in fields(Arguments))
    text = re.sub(rf"\b(?<!-)({names})=True\b", r"--\1", text)
    return re.sub(rf"\b(?<!-)({names})=(['\"]?)([^\s'\",;]+)\2", r"--\1 \3", text)
