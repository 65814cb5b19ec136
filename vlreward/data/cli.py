"""The commands `vlreward data`: get data sets, draw them, look at them before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlreward.command_line import AnswerOptions, Group
from vlreward.data.options import RowOptions
from vlreward.options import as_command

__all__ = ["app"]

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Get the data sets of the tasks, draw some, check yours."
)


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="Data set, e.g. rec; a wrong name lists all that are known.")
    ],
    source: Annotated[
        Literal["hf", "paddlemix"],
        typer.Option(help="hf: the original data sets; paddlemix: PaddleMIX's archives."),
    ] = "hf",
    dest: Annotated[Path, typer.Option(help="Directory to unpack into.")] = Path("data"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be downloaded.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.")
    ] = False,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep archives after unpacking.")
    ] = False,
) -> None:
    """Download a task's data: resumed after a cut, checked, safely unpacked.

    What was downloaded, with its SHA-256, is written to DEST/fetch-receipt.json.
    """
    from vlreward.data.fetch import fetch as download
    from vlreward.data.sources import fetch_plan

    if dry_run:
        for item in fetch_plan(name, source):
            size = f"{item.size / 1e6:,.0f} MB" if item.size else "size unknown"
            typer.echo(f"{item.url} ({size}) -> {dest / item.to}: {item.about}")
        return
    for done in download(name, source, dest, overwrite=overwrite, keep_archives=keep_archives):
        typer.echo(f"done: {done.url}")


@app.command()
def scenes(
    task: Annotated[str, typer.Argument(help="Task whose synthetic data to draw, e.g. counting.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for rows and images.")],
    n: Annotated[int, typer.Option("--n", "-n", help="How many scenes.", min=1)] = 200,
    split: Annotated[
        Literal["train", "validation", "test"],
        typer.Option(help="No picture of one is in another."),
    ] = "train",
    level: Annotated[
        Literal["easy", "medium", "hard"] | None,
        typer.Option(help="Difficulty; default: all three in turn."),
    ] = None,
) -> None:
    """Draw synthetic scenes as files to train on: no download, and the same bytes everywhere.

    Rows go to OUT/TASK.jsonl (of other splits than train: OUT/TASK_SPLIT.jsonl), images to \
OUT/images.
    """
    from vlreward.registry import unknown_name
    from vlreward.scenes import MORE_TASKS, TASKS, export_scenes

    names = (*TASKS, *MORE_TASKS)
    if task not in names:
        raise unknown_name("task with scenes", task, names)
    path = export_scenes(task, out, n, split=split, level=level)
    typer.echo(f"written: {path}, {n} rows, images in {path.parent / 'images'}")
    typer.echo(f"read it with: --data {path} --image-root {path.parent}")


@dataclass(frozen=True, kw_only=True)
class _CheckOptions(RowOptions, AnswerOptions):
    files: Annotated[
        list[str],
        typer.Argument(help="Files, directories or hf:OWNER/NAME, as --data of training."),
    ]
    split: Annotated[str | None, typer.Option(help="Split, where there are several.")] = None
    config: Annotated[
        str | None, typer.Option(help="Configuration of a data set that has several.")
    ] = None
    check_images: Annotated[
        Literal["all", "headers", "sample", "none"],
        typer.Option(help="Which images to look at: decode all, read headers, decode 1,000, none."),
    ] = "all"
    html: Annotated[
        Path, typer.Option(help="Page to write, with golds drawn on the first images.")
    ] = Path("data-check.html")


def _check(options: _CheckOptions) -> None:
    """Say what training would read from data, and why it would fail on it: exit code 2 if so.

    Schema, columns, task, the frames of golds and of answers, counts, rows that look wrong, three \
samples; with golds drawn on their images in a page.
    """
    from vlreward.data.check import check_data
    from vlreward.data.check_page import page
    from vlreward.errors import OptionError
    from vlreward.files import replacing

    reading = {**options.reading(), "split": options.split, "config": options.config}
    try:
        checked = [
            check_data(
                file if file.startswith("hf:") else Path(file),
                frames=options.answer_frames,
                decode=options.check_images,
                **reading,
            )
            for file in options.files
        ]
    except ValueError as error:
        raise OptionError(str(error)) from None
    if seen := [one for one in checked if one.facts]:
        for one in seen:
            typer.echo(one.text())
        with replacing(options.html) as target:
            target.write(page(checked))
        typer.echo(f"written: {options.html}")
    problems = [problem for one in checked for problem in one.problems]
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(2)
    typer.echo("training would read " + ("it" if len(checked) == 1 else "them"))


app.command("check")(as_command(_CheckOptions, _check))
