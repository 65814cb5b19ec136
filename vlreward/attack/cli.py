"""The command `vlreward attack`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlreward.command_line import PROTOCOLS

if TYPE_CHECKING:
    from vlreward.attack.search import Attack, Found

__all__ = ["attack"]


def attack(
    data: Annotated[Path, typer.Argument(help="Data file or directory, as training reads it.")],
    task: Annotated[
        str | None, typer.Option(help="Task of the golds; by default as the data says.")
    ] = None,
    protocol: Annotated[str, typer.Option(help=PROTOCOLS)] = "strict",
    terms: Annotated[
        str | None, typer.Option(help="Reward terms, separated by commas; default: the task's.")
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(help="Directory of the images, for rows that do not say their size."),
    ] = None,
    samples: Annotated[int, typer.Option(help="Samples, drawn with the seed.", min=1)] = 500,
    rounds: Annotated[int, typer.Option(help="Rounds of mutation.", min=0)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of samples and mutations.")] = 0,
    margin: Annotated[
        float,
        typer.Option(help="Largest reward beyond the best plain constant that is let pass.", min=0),
    ] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search for answers that pay without looking at the image: the check before a training run.

    Scores thousands of blind completions (constants, hedges, universal answers, format tricks, \
mutations of what scored) and sets the best beside the best plain constant.

    Exit codes: 0 nothing earns more than the constant and the margin; 1 something does; 2 bad \
input.
    """
    from random import Random

    from vlreward.attack.search import attack as search
    from vlreward.data import load
    from vlreward.tasks import get_task

    sizes = image_root is not None
    loaded = load(data, task=task, image_root=image_root, read_sizes=sizes, on_missing="error")
    spec = get_task(loaded.provenance.task, protocol=protocol, method=None)
    if terms is not None:
        spec = spec.with_terms([name.strip() for name in terms.split(",")])
    chosen = Random(seed).sample(range(len(loaded)), min(samples, len(loaded)))
    found = search(spec, [loaded[i] for i in sorted(chosen)], rounds=rounds, seed=seed)
    typer.echo(_as_json(found, margin) if as_json else _as_text(found, margin))
    if found.margin > margin:
        raise typer.Exit(1)


def _as_json(found: Attack, margin: float) -> str:
    def shown(one: Found) -> dict[str, object]:
        told = dict(zip(("kind", "answer", "completion"), one.candidate))
        return told | {"reward": one.reward, "accuracy": one.accuracy}

    return json.dumps(
        {
            "task": found.task.name,
            "protocol": found.task.protocol,
            "terms": {term.name: term.weight for term in found.task.terms},
            "samples": found.samples,
            "completions_tried": found.tried,
            "constant": shown(found.constant),
            "best": shown(found.best),
            "margin": found.margin,
            "margin_allowed": margin,
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_text(found: Attack, margin: float) -> str:
    from vlreward._text import one_line

    task = found.task
    terms = ", ".join(f"{term.weight:g} {term.name}" for term in task.terms)
    lines = [
        f"{task.name} ({task.protocol}; {terms}): {found.tried:,} blind completions, the best of "
        f"them on {found.samples:,} samples",
        "",
        f"{'':24}{'reward':>9}{task.primary:>10}  completion",
    ]
    rows = [("best plain constant", found.constant), ("best found", found.best)]
    for title, one in rows:
        what = one_line(one.candidate.text, 90)
        lines.append(f"{title:24}{one.reward:9.4f}{one.accuracy:10.4f}  {what}")
    lines.append("")
    if found.margin > margin:
        lines.append(
            f"A {found.best.candidate.kind} earns {found.margin:.4f} more than any plain constant "
            f"(more than {margin:g}): training will find it. Look at the golds it is right for, "
            "and at the terms that pay it."
        )
    else:
        lines.append(
            f"Nothing found earns more than a plain constant (margin {found.margin:.4f}, allowed "
            f"{margin:g}). A policy has to look."
        )
    return "\n".join(lines)
