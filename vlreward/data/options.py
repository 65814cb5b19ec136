"""The options that say how rows are read, declared once for every command that reads them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__ = ["ReadOptions", "RowOptions"]

_option = partial(typer.Option, rich_help_panel="Data")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How rows are read, whoever reads them."""

    columns: Annotated[
        str | None,
        _option(
            help="What is read from which column, e.g. gold=answer,image=images,question=problem; "
            "for rows of no known schema, whose message proposes it, or to change what one reads."
        ),
    ] = None
    gold_frame: Annotated[
        str | None,
        _option(
            help="Frame of the golds' coordinates, e.g. norm1000; with :xywh, :cxcywh or :yxyx "
            "behind it for boxes that are not x1, y1, x2, y2. A frame in the row wins. Default: "
            "original_px."
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        _option(help="Condition that rows must fit, e.g. difficulty<0.8; may be given again."),
    ] = None
    image_root: Annotated[
        Path | None,
        _option(help="Directory that image names are relative to, also for sizes that rows lack."),
    ] = None
    flat_images: Annotated[
        bool, _option("--flat-images", help="All images lie directly in --image-root.")
    ] = False
    allow_urls: Annotated[
        bool,
        _option("--allow-urls", help="Download images that rows name by an http(s) address."),
    ] = False
    on_missing: Annotated[
        Literal["error", "skip"],
        _option(help="What to do about rows without their image; skipped ones are counted."),
    ] = "error"
    on_bad_image: Annotated[
        Literal["error", "skip"],
        _option(help="The same for images that are damaged, too large, or too narrow."),
    ] = "error"
    on_suspicious: Annotated[
        Literal["error", "keep"],
        _option(
            help="What to do where more than 1 % of the golds look as if their frame were another "
            "one."
        ),
    ] = "error"


@dataclass(frozen=True, kw_only=True)
class RowOptions(ReadOptions):
    """How rows are read whose task may be any; a command adds options of its own."""

    task: Annotated[str | None, _option(help="Name of the task, where the data does not tell.")] = (
        None
    )
    schema: Annotated[
        str | None, _option(help="Schema of the rows, where the keys do not tell.")
    ] = None
    on_bad_gold: Annotated[
        Literal["error", "skip"], _option(help="What to do about rows whose gold is none.")
    ] = "error"

    def reading(self) -> dict[str, Any]:
        """The options of `vlreward.data.load`.

        Raises:
            UnknownNameError: If there is no such task; lists those that there are.
        """
        from vlreward.tasks import TASKS

        if self.task is not None:
            TASKS.get(self.task)
        return {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(RowOptions)}
