"""The model card of a trained model: what it is, and what it was trained on, for what, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from vlreward import __version__
from vlreward.training.preparing import Run
from vlreward.training.progress import bench_commands, changes
from vlreward.training.rewards import TermReward, UserReward

__all__ = ["model_card"]


def model_card(run: Run, state: Any, *, library: str, adapter: bool = False) -> str:
    """The card in Markdown, with the header that hubs read.

    Args:
        run: The run.
        state: The trainer's state; what it logged goes into the results.
        library: The library that loads the model, as hubs name it.
        adapter: Whether the model is an adapter to its base.
    """
    arguments, training = run.options.arguments, run.options.training
    base = str(arguments.model)
    local = Path(base).is_dir()
    head = {
        **({} if local else {"base_model": base}),
        "library_name": library,
        "pipeline_tag": "image-text-to-text",
        "tags": ["grpo", "reinforcement-learning", "vlreward", *(["lora"] if adapter else [])],
    }
    data = run.samples.provenance
    tasks = dict.fromkeys(reward.spec.name for reward in run.task_rewards)
    name = Path(base).resolve().name if local else base
    kind = "A LoRA adapter for" if adapter else "A full fine-tune of"
    rewards: list[TermReward | UserReward] = [*run.terms, *run.extra]
    terms = [f"`{f.__name__}` x {f.weight:g}" for f in rewards]
    commands = bench_commands(run, Path("."))
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).rstrip(),
        "---",
        f"# {run.start.output_dir.resolve().name}",
        "",
        f"{kind} `{name}`, trained with GRPO on {', '.join(tasks)} by verifiable rewards "
        f"(vlreward {__version__}, protocol `{arguments.protocol}`).",
        "",
        "| | |",
        "|---|---|",
        f"| data | {len(run.samples)} rows of `{Path(data.path).name}`, sha256 `{data.sha256}` |",
        f"| rewards | {', '.join(terms)} |",
        f"| steps | {state.global_step} of {run.schedule.questions} questions x "
        f"{training.num_generations} completions |",
        f"| settings | {_settings(training)} |",
        *(f"| {title} | {text} |" for title, text in changes(state).items()),
        "",
        "The model was asked, and has to be asked, in these words:",
        "",
        "```",
        *(template.text for template in run.rows.prompts.values()),
        "```",
        "",
        "Measure it:" if commands else "",
        "",
        *(f"    {line}" for line in commands),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _settings(training: Any) -> str:
    names = ("learning_rate", "beta", "loss_type", "temperature", "top_k", "seed")
    return ", ".join(
        f"{n} {value:g}" if isinstance(value := getattr(training, n), float) else f"{n} {value}"
        for n in names
        if hasattr(training, n)
    )
