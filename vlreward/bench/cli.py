"""The command `vlreward-bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlreward._cli import DefaultGroup, Family, FrameOption, fail_in_one_line

if TYPE_CHECKING:
    from vlreward.bench.evaluate import Evaluation
    from vlreward.frames import ModelFamily
    from vlreward.types import Sample

__all__ = ["app"]

app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Benchmark vision-language models on tasks whose answers can be verified.

    [bold]vlreward-bench SUITE... --completions FILE[/bold] scores recorded completions.

    [bold]vlreward-bench list[/bold] describes the suites; [bold]vlreward-bench run --help[/bold] \
all options of a run ("run" may be left out).
    """,
)


@app.command("run")
@fail_in_one_line
def run(
    suites: Annotated[
        list[str],
        typer.Argument(help="Suites to run; [bold]vlreward-bench list[/bold] shows them."),
    ],
    completions: Annotated[
        list[Path],
        typer.Option(
            "--completions",
            "-c",
            help="Recorded completions (.json, .jsonl or .tsv), one file for each suite, in order.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory for results.json and samples_*.jsonl.")
    ] = Path("out"),
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Data file with the golds, for completions that come without."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="Whose rules: strict, vlm-r1, paddlemix or r1-v."),
    ] = "strict",
    method: Annotated[
        str | None,
        typer.Option(
            help="Where answers stand: r1 (in the answer tag) or baseline (anywhere). "
            "Default: as the prompt preset says, else r1."
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Prompt preset that the model was asked with.")
    ] = None,
    frame: FrameOption = None,
    family: Family = None,
    clip: Annotated[
        bool, typer.Option("--clip", help="Clip boxes to their frame; by default they fail.")
    ] = False,
) -> None:
    """Score recorded completions, print a table, and write the results.

    Exit codes: 0 done, 2 bad input (nothing is written then).
    """
    from rich.console import Console

    from vlreward.bench.output import write_results
    from vlreward.bench.table import print_evaluations
    from vlreward.data.errors import DataError

    for option, files in (("--completions", completions), ("--data", data or completions)):
        if len(files) != len(suites):
            raise DataError(
                f"expected one {option} file for each of the {len(suites)} suites, got {len(files)}"
            )
    evaluations = [
        _evaluate_file(
            suite,
            file,
            data[i] if data else None,
            protocol=protocol,
            method=method,
            prompt=prompt,
            frame=frame,
            family=family,
            clip=clip,
        )
        for i, (suite, file) in enumerate(zip(suites, completions))
    ]
    if len({evaluation.name for evaluation in evaluations}) < len(evaluations):
        raise DataError(f"expected suites that differ, got {suites}")
    written = write_results(evaluations, out)
    console = Console()
    print_evaluations(evaluations, console)
    console.print(f"written: {', '.join(map(str, written))}", soft_wrap=True, highlight=False)


@app.command("list")
def list_suites() -> None:
    """Describe the suites, the protocols and the prompt presets."""
    from rich.console import Console
    from rich.table import Table

    from vlreward.bench.suites import SUITES
    from vlreward.prompts import PRESETS
    from vlreward.tasks import TASKS

    console = Console()
    table = Table("suite", "task", "samples", "data file", "description", title="Suites")
    for suite in SUITES.values():
        count = str(suite.n) if suite.n else "-"
        table.add_row(suite.name, suite.task, count, suite.file or "-", suite.description)
    console.print(table)
    table = Table("task", "version", "terms", "metrics", title="Tasks and protocols")
    for name in TASKS.names():
        spec = TASKS.get(name)
        terms = ", ".join(f"{t.weight:g} {t.name}" for t in spec.terms)
        table.add_row(name, spec.version, terms, ", ".join(m.name for m in spec.metrics))
    console.print(table)
    table = Table("preset", "hash", "answer in", "source", title="Prompt presets")
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.hash, preset.answer_in, preset.source)
    console.print(table)


def _evaluate_file(
    suite_name: str,
    file: Path,
    data: Path | None,
    *,
    protocol: str,
    method: str | None,
    prompt: str | None,
    frame: Any,
    family: str | None,
    clip: bool,
) -> Evaluation:
    from vlreward.bench.evaluate import evaluate, file_fields
    from vlreward.bench.recorded import read_recorded
    from vlreward.bench.suites import get_suite
    from vlreward.data.errors import DataError
    from vlreward.frames import Frame
    from vlreward.judges import BoxJudge
    from vlreward.prompts import get_prompt
    from vlreward.registry import unknown_name
    from vlreward.tasks import get_task

    suite = get_suite(suite_name)
    preset = get_prompt(prompt) if prompt is not None else None
    if method is None:
        method = "baseline" if preset is not None and preset.answer_in == "whole" else "r1"
    if method not in ("r1", "baseline"):
        raise unknown_name("method", method, ("r1", "baseline"))
    spec = get_task(suite.task, protocol=protocol, method=method)  # type: ignore[arg-type]
    if clip:
        if not isinstance(spec.judge, BoxJudge):
            raise DataError(f"--clip works on boxes under protocol 'strict', not on {suite.name!r}")
        spec = spec.model_copy(update={"judge": BoxJudge(clip=True)})
    golds, provenance = _golds(data, suite.task)
    recorded = read_recorded(
        file,
        suite.task,
        frame=Frame(frame.value) if frame is not None else None,
        family=_family(family),
        golds=golds,
    )
    notes = []
    if recorded.accuracy is not None:
        notes.append(f"the file itself records an accuracy of {recorded.accuracy:.2%}")
    if suite.n is not None and len(recorded.rows) != suite.n:
        notes.append(f"{len(recorded.rows)} samples; the whole split has {suite.n}")
    return evaluate(
        suite,
        spec,
        [row.sample for row in recorded.rows],
        [row.completion for row in recorded.rows],
        prompt=preset or get_prompt(suite.prompts[method]),  # type: ignore[index]
        frame=recorded.frame,
        frame_declared_by=recorded.frame_declared_by,
        provenance={**file_fields(file, recorded.sha256), **provenance},
        notes=notes,
    )


def _family(name: str | None) -> ModelFamily | None:
    from vlreward.data.errors import DataError
    from vlreward.frames import family_of

    if name is None:
        return None
    try:
        return family_of(name)
    except ValueError as error:
        raise DataError(f"--family: {error}") from None


def _golds(data: Path | None, task: str) -> tuple[dict[str, Sample] | None, dict[str, str | None]]:
    if data is None:
        return None, {"data_sha256": None}
    from vlreward.data import load

    dataset = load(data, task=task)
    return {s.id: s for s in dataset}, {"data_sha256": dataset.provenance.sha256}


if __name__ == "__main__":
    app()
