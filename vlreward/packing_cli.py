"""The command `vlreward pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlreward.command_line import Family, FrameOption

__all__ = ["pack"]


def pack(
    source: Annotated[Path, typer.Argument(help="Data set: .json, .jsonl or .parquet.")],
    target: Annotated[Path, typer.Argument(help="File to write: .jsonl or .parquet.")],
    column: Annotated[
        str,
        typer.Option(help="Column to add; verl reads reward_model.ground_truth."),
    ] = "ground_truth",
    overwrite_column: Annotated[
        bool, typer.Option("--overwrite-column", help="Replace a column of that name.")
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(help="rec, counting or geometry, where the data does not tell."),
    ] = None,
    schema: Annotated[
        str | None, typer.Option(help="Schema of the rows, where the keys do not tell.")
    ] = None,
    frame: FrameOption = None,
    family: Family = None,
    min_pixels: Annotated[
        int | None, typer.Option(help="Smallest image area in pixels that the model sees.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest image area in pixels that the model sees.")
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(help="Directory of the images, for sizes that the rows do not say."),
    ] = None,
    flat_images: Annotated[
        bool, typer.Option("--flat-images", help="All images lie directly in --image-root.")
    ] = False,
) -> None:
    """Add each row's gold as one string that also says the task, the sizes and the frame.

    For trainers that hand a reward one ground truth and nothing else: EasyR1, OpenRLHF, verl, \
PaddleNLP. Boxes need --family or --frame.
    """
    from vlreward.data.errors import DataError
    from vlreward.frames import family_of
    from vlreward.packing import pack_file

    try:
        packed = pack_file(
            source,
            target,
            column=column,
            overwrite_column=overwrite_column,
            task=task,
            schema=schema,
            frame=frame,
            family=None if family is None else family_of(family),
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            image_root=image_root,
            flat_images=flat_images,
        )
    except DataError as error:
        if error.problems:  # a row for each line
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        raise
    except (ImportError, ValueError) as error:
        raise DataError(str(error)) from None
    counted = ", ".join(f"{n} {name}" for name, n in packed.tasks.items())
    typer.echo(f"written: {packed.path}, {packed.rows} rows ({counted}), column {column!r}")
    typer.echo(f"the first: {packed.example}")
