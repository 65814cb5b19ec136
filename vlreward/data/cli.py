"""The commands `vlreward data`: get data sets, draw them, look at them before training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vlreward.command_line import Group

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
    from vlreward.data.sources import SOURCES, fetch_plan
    from vlreward.registry import unknown_name

    if name not in SOURCES.names():
        raise unknown_name("data set", name, SOURCES.names())
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
        raise unknown_name("task", task, names)
    path = export_scenes(task, out, n, split=split, level=level)
    typer.echo(f"written: {path}, {n} rows, images in {path.parent / 'images'}")
    typer.echo(f"read it with: --data {path} --image-root {path.parent}")
