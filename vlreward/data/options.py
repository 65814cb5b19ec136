"""The options that say how rows are read, declared once for every command that reads them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

__all__ = [
    "AllowUrls", "Columns", "FlatImages", "GoldFrameOption", "OnBadGold", "OnBadImage", "OnMissing",
    "OnSuspicious", "SchemaOption", "TaskOption", "WhereOption",
]  # fmt: skip

TaskOption = Annotated[
    str | None, typer.Option("--task", help="Name of the task, where the data does not tell.")
]
SchemaOption = Annotated[
    str | None, typer.Option("--schema", help="Schema of the rows, where the keys do not tell.")
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="What is read from which column, e.g. gold=answer,image=images,question=problem; for "
        "rows of no known schema, whose message proposes it, or to change what one reads."
    ),
]
GoldFrameOption = Annotated[
    str | None,
    typer.Option(
        "--gold-frame",
        help="Frame of the golds' coordinates, e.g. norm1000; with :xywh, :cxcywh or :yxyx behind "
        "it for boxes that are not x1, y1, x2, y2. A frame in the row wins. Default: original_px.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", help="Condition that rows must fit, e.g. difficulty<0.8; may be given again."
    ),
]
OnMissing = Annotated[
    Literal["error", "skip"],
    typer.Option(help="What to do about rows without their image; skipped ones are counted."),
]
OnBadImage = Annotated[
    Literal["error", "skip"],
    typer.Option(help="The same for images that are damaged, too large, or too narrow."),
]
OnBadGold = Annotated[
    Literal["error", "skip"], typer.Option(help="The same for golds that are none.")
]
FlatImages = Annotated[
    bool, typer.Option("--flat-images", help="All images lie directly in --image-root.")
]
AllowUrls = Annotated[
    bool,
    typer.Option("--allow-urls", help="Download images that rows name by an http(s) address."),
]
OnSuspicious = Annotated[
    Literal["error", "keep"],
    typer.Option(
        help="What to do where more than 1 % of the golds look as if their frame were another one."
    ),
]
