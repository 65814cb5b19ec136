"""The command `vlreward attack`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vlreward.command_line import PROTOCOLS
from vlreward.data.options import RowOptions
from vlreward.options import as_command

if TYPE_CHECKING:
    from vlreward.attack.search import Attack, Found

__all__ = ["attack"]


@dataclass(frozen=True, kw_only=True)
class _Options(RowOptions):
    data: Annotated[str, typer.Argument(help="Data file or directory, as training reads it.")]
    protocol: Annotated[str, typer.Option(help=PROTOCOLS)] = "strict"
    terms: Annotated[
        str | None, typer.Option(help="Reward terms, separated by commas; default: the task's.")
    ] = None
    samples: Annotated[int, typer.Option(help="Samples, drawn with the seed.", min=1)] = 500
    rounds: Annotated[int, typer.Option(help="Rounds of mutation.", min=0)] = 4
    seed: Annotated[int, typer.Option(help="Seed of samples and mutations.")] = 0
    margin: Annotated[
        float,
        typer.Option(help="Largest reward beyond the best plain constant that is let pass.", min=0),
    ] = 0.01
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


def _attack(options: _Options) -> None:
    """Search for answers that pay without looking at the image: the check before a training run.

    Scores some thousand blind completions (constants, hedges, universal answers, format tricks, \
mutations of what scored) and sets the best beside the best plain constant.

    Exit codes: 0 nothing earns more than the constant and the margin; 1 something does; 2 bad \
input.
    """
    from random import Random

    from vlreward.attack.search import attack as search
    from vlreward.data import load
    from vlreward.tasks import get_task

    reading = {**options.reading(), "read_sizes": options.image_root is not None}
    loaded = load(options.data, **reading)
    spec = get_task(loaded.provenance.task, protocol=options.protocol, method=None)
    if options.terms is not None:
        spec = spec.with_terms([name.strip() for name in options.terms.split(",")])
    samples, seed, margin = options.samples, options.seed, options.margin
    chosen = Random(seed).sample(range(len(loaded)), min(samples, len(loaded)))
    found = search(spec, [loaded[i] for i in sorted(chosen)], rounds=options.rounds, seed=seed)
    typer.echo(_as_json(found, margin) if options.as_json else _as_text(found, margin))
    if found.margin > margin:
        raise typer.Exit(1)


attack = as_command(_Options, _attack)


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
