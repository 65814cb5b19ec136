"""The command `vlreward doctor`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlreward.command_line import PROTOCOLS, AnswerOptions, GoldOptions
from vlreward.options import as_command

__all__ = ["doctor"]

_Share = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        rich_help_panel="Thresholds",
        help="Largest allowed.",
        metavar="SHARE",
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class _Options(AnswerOptions, GoldOptions):
    path: Annotated[
        Path,
        typer.Argument(
            help="A training run (its directory, or rank-*.jsonl of its traces), a run of "
            "vlreward-bench, or a file of recorded completions."
        ),
    ]
    max_zero_std: _Share = None
    max_failures: _Share = None
    max_outside: _Share = None
    max_golds: _Share = None
    max_multiple: _Share = None
    max_truncated: _Share = None
    max_length_correlation: _Share = None
    max_timeouts: _Share = None
    max_disagreement: _Share = None
    max_sampler: Annotated[
        float | None,
        typer.Option(
            min=0,
            rich_help_panel="Thresholds",
            help="Largest allowed, in nats a token.",
            metavar="NATS",
        ),
    ] = None
    task: Annotated[
        str | None, typer.Option(help="Task of recorded completions, which are scored first.")
    ] = None
    protocol: Annotated[str, typer.Option(help=f"Of recorded completions: {PROTOCOLS}")] = "strict"
    method: Annotated[
        Literal["r1", "baseline"] | None,
        typer.Option(help="Where answers stand in recorded completions: r1, baseline."),
    ] = None
    examples: Annotated[int, typer.Option(help="Examples of each finding.", min=0)] = 2
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


def _doctor(options: _Options) -> None:
    """Say what is wrong with a run's rewards, with examples.

    Exit codes: 0 all is within the thresholds that are given; 1 one is exceeded; 2 bad input, or \
a threshold for something that the input does not tell.
    """
    from vlreward.data.errors import DataError
    from vlreward.data.images import ImageFolder
    from vlreward.doctor.checks import CHECKS, diagnose
    from vlreward.doctor.observations import read_observations
    from vlreward.doctor.report import as_json as to_json
    from vlreward.doctor.report import exceeded, print_report
    from vlreward.errors import OptionError

    root = options.image_root
    if root is not None and not root.is_dir():
        raise OptionError(f"--image-root: expected a directory, got {str(root)!r}")
    limits = {name: getattr(options, f"max_{name}") for name in CHECKS}
    thresholds = {name: limit for name, limit in limits.items() if limit is not None}
    notes: list[str] = []
    observations = read_observations(
        options.path,
        task=options.task,
        protocol=options.protocol,
        method=options.method,
        frames=options.answer_frames,
        columns=options.columns,
        gold_frame=options.gold_frame,
        images=None if root is None else ImageFolder(root),
        say=notes.append,
    )
    for text in notes:
        typer.echo(f"warning: {text}", err=True)
    findings = diagnose(observations)
    source = str(options.path)
    if any(options.path.glob("unfinished_*.jsonl")):
        source += " (a run that is not finished)"
    if options.as_json:
        found = to_json(source, observations, findings, thresholds)
        typer.echo(json.dumps({**found, "notes": notes}, indent=2))
    else:
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=False)
        print_report(console, source, observations, findings, thresholds, options.examples)
    unknown = [f for f in findings if f.name in thresholds and f.value is None]
    if unknown:
        reasons = "; ".join(f"{f.name.replace('_', '-')}: {f.note}" for f in unknown)
        raise DataError(f"a threshold cannot be checked: {reasons}", path=options.path)
    if exceeded(findings, thresholds):
        raise typer.Exit(1)


doctor = as_command(_Options, _doctor)
