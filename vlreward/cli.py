"""The command `vlreward`: everything around a benchmark run and a training run."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlreward.attack.cli import attack
from vlreward.command_line import (
    PROTOCOLS,
    AnswerOptions,
    AxisOrderOption,
    FrameOption,
    Group,
    Version,
)
from vlreward.data.cli import app as data
from vlreward.data.options import RowOptions
from vlreward.doctor.cli import doctor
from vlreward.families_cli import families
from vlreward.frames import Frame
from vlreward.integrations import cli as integrations
from vlreward.options import as_command

__all__ = ["app"]

_SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings=_SETTINGS,
    help="Verifiable rewards for vision-language models: reports, comparisons, data. "
    "The benchmark itself is [bold]vlreward-bench[/bold].",
)
app.add_typer(data, name="data")

Run = Annotated[Path, typer.Argument(help="Directory that vlreward-bench wrote.")]


@app.callback()
def main(version: Version = False) -> None:
    """Give the options that stand before a command."""


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Directories that vlreward-bench wrote, finished or not; directories of "
            "training runs, for their curves."
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(help="The page to write.", show_default="report.html")
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(help="Directory that image names are relative to; default: the run's own."),
    ] = None,
    absolute_images: Annotated[
        bool,
        typer.Option(
            "--absolute-images",
            help="Also show images whose absolute names lie outside the image root.",
        ),
    ] = False,
    max_embed_mb: Annotated[
        float | None,
        typer.Option(help="Embed images up to this size in all; link the rest.", show_default="20"),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Write no file: show the page at 127.0.0.1, to be read only, and anew while the "
            "runs go on.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="Port of --serve.", min=0, max=65535, show_default="8017"),
    ] = None,
) -> None:
    """Write one self-contained page: tables, plots, samples with their boxes, comparison."""
    from vlreward.errors import OptionError

    if serve:
        from vlreward.report.serve import LiveReport, make_server

        if html is not None or max_embed_mb is not None:
            raise OptionError("--html and --max-embed-mb: --serve writes no file")
        live = LiveReport(runs, image_root=image_root, absolute_images=absolute_images)
        live.page()  # wrong options are said here, not in the browser
        with make_server(live, 8017 if port is None else port) as server:
            typer.echo(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)")
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
        return
    from vlreward.report import write_report

    if port is not None:
        raise OptionError("--port is of --serve alone")
    path = write_report(
        runs,
        html or Path("report.html"),
        image_root=image_root,
        absolute_images=absolute_images,
        max_embed_mb=20 if max_embed_mb is None else max_embed_mb,
    )
    typer.echo(f"written: {path}")


@app.command()
def compare(
    a: Run,
    b: Run,
    show: Annotated[int, typer.Option(help="Discordant samples to show.", min=0)] = 10,
) -> None:
    """Compare two runs over the samples that both have.

    The difference of accuracies with a paired bootstrap interval (by image where images are \
named), McNemar's exact test, and the samples on which they differ.
    """
    from vlreward.bench.compare import print_comparison

    print_comparison(a, b, show=show)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="Directory of a LoRA adapter.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the model.")],
    base_model: Annotated[
        str | None,
        typer.Option(help="What it adapts, where that is no longer where the adapter says."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Type of the weights, e.g. bfloat16; default: the base's.")
    ] = None,
) -> None:
    """Merge a LoRA adapter into its base: a model for transformers, vLLM and the Paddle backend."""
    from vlreward.engines.adapters import save_merged

    typer.echo(f"written: {save_merged(str(adapter), out, base_model=base_model, dtype=dtype)}")


@app.command()
def rescore(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the new results.")],
    protocol: Annotated[str | None, typer.Option(help=f"{PROTOCOLS} Default: the run's.")] = None,
    method: Annotated[
        Literal["r1", "baseline"] | None,
        typer.Option(help="Where answers stand; default: as in the run."),
    ] = None,
    frame: FrameOption = None,
    axis_order: AxisOrderOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another run that --out holds.")
    ] = False,
) -> None:
    """Score a finished run again under other rules, without inference."""
    from vlreward.bench.command import finish
    from vlreward.bench.rescore import rescore as score_again

    again = score_again(run, protocol=protocol, method=method, frame=frame, axis_order=axis_order)
    finish(again, out, overwrite=overwrite)


@dataclass(frozen=True, kw_only=True)
class _PackOptions(RowOptions, AnswerOptions):
    source: Annotated[
        Path, typer.Argument(help="Data set: .json, .jsonl, .csv, .tsv, .xlsx or .parquet.")
    ]
    target: Annotated[Path, typer.Argument(help="File to write: .jsonl or .parquet.")]
    column: Annotated[
        str | None,
        typer.Option(
            help="Column for the envelopes. Default: where the trainer of such rows looks: "
            "reward_model.ground_truth (verl), answer (EasyR1), solution (ms-swift, TRL), else "
            "ground_truth."
        ),
    ] = None
    overwrite_column: Annotated[
        bool, typer.Option("--overwrite-column", help="Replace a column of that name.")
    ] = False
    frame: Annotated[
        Frame | None,
        typer.Option(
            help="Coordinate frame that the model writes; golds that lie in the image need it, or "
            "--family."
        ),
    ] = None


def _pack(options: _PackOptions) -> None:
    """Write each row's gold as one string that also says the task, the sizes and the frame.

    For trainers that hand a reward one ground truth and nothing else: EasyR1, OpenRLHF, verl, \
ms-swift, PaddleNLP. Rows keep their own format. Golds that lie in the image need --family or \
--frame.
    """
    from vlreward.answer_frames import assumed_text
    from vlreward.data.errors import DataError
    from vlreward.data.suspicious import suspicious_text
    from vlreward.errors import OptionError
    from vlreward.packing import pack_file

    column = options.column
    if column is not None and not column.strip("."):
        raise OptionError(f"--column: expected the name of a column, got {column!r}")
    try:
        packed = pack_file(
            options.source,
            options.target,
            column=column,
            overwrite_column=options.overwrite_column,
            frames=options.answer_frames,
            **options.reading(),
        )
    except DataError as error:
        if error.problems:  # a row for each line
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        raise
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(str(error)) from None
    counted = ", ".join(f"{n} {name}" for name, n in packed.tasks.items())
    typer.echo(
        f"written: {packed.path}, {packed.rows} rows ({counted}) of schema {packed.read.schema}, "
        f"column {packed.column!r}"
    )
    for kind, n in Counter(problem.kind for problem in packed.read.skipped).items():
        typer.echo(f"skipped: {n} rows, {kind.replace('_', ' ')}", err=True)
    if packed.assumed:
        typer.echo(f"warning: {assumed_text(packed.assumed, 'the trainer')}", err=True)
    if (doubt := suspicious_text(packed.read)) is not None:
        typer.echo(f"warning: {doubt}", err=True)
    typer.echo(f"the first: {packed.example}")


app.command("pack")(as_command(_PackOptions, _pack))

app.command("serve")(integrations.serve)
app.command()(integrations.path)
app.command("doctor")(doctor)
app.command("attack")(attack)
app.command()(families)


if __name__ == "__main__":
    app()
