"""What the command line says of its options: the page of help, unknown ones, and messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.training.arguments import Arguments, usage

__all__ = ["in_options", "short_help", "unknown_option"]


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


def unknown_option(words: Sequence[str], known: Iterable[str]) -> OptionError:
    """The error for options that nobody takes, with those of similar names.

    Args:
        words: What is left of a command line, or names of a file.
        known: The names of the options, with underscores.
    """
    names = list(known)
    wrong = [word for word in words if word.startswith("-")] or list(words)
    said = []
    for word in wrong:
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        near = [f"--{close}" for close in difflib.get_close_matches(name, names, 3, 0.7)]
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
