"""Columns of images in Arrow tables: names for images, whose bytes stay where they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, Protocol

from vlreward.data.errors import MissingImagesError
from vlreward.data.image_values import KEPT
from vlreward.data.rows import RawRow

__all__ = ["Records", "cells_of", "image_columns", "kept_image", "named", "numbered_rows"]


class Records(Protocol):
    """Rows in any order, with the bytes of their images."""

    def record(self, index: int, column: str = "") -> dict[str, Any]:
        """A row, counted from 0, or one column of it."""
        ...


def image_columns(schema: Any) -> list[str]:
    """Names of the columns of an Arrow schema that hold bytes, objects with `bytes`, or lists."""
    return [field.name for field in schema if _holds_bytes(field.type)]


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    if pa.types.is_struct(kind):
        found = [field.type for field in kind if field.name == "bytes"]
        return bool(found) and _holds_bytes(found[0])
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def cells_of(column: Any, kept: bool | None = None) -> list[Any]:
    """What tells the images of each row apart, without touching the bytes.

    Args:
        column: An Arrow array of a column of `image_columns`.
        kept: Whether images have bytes, where these were not read.

    Returns:
        (has bytes, path) for an image; None or a list of such in a column of lists.
    """
    import pyarrow as pa

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        inner, start = cells_of(column.flatten(), kept), 0
        cells: list[Any] = []
        for length in column.value_lengths().to_pylist():
            cells.append(None if length is None else inner[start : start + length])
            start += length or 0
        return cells
    if not pa.types.is_struct(column.type):
        return [(there, None) for there in column.is_valid().to_pylist()]
    names = [field.name for field in column.type]
    there = [bool(kept)] * len(column)
    if "bytes" in names:
        there = column.field("bytes").is_valid().to_pylist()
    paths = column.field("path").to_pylist() if "path" in names else [None] * len(column)
    return list(zip(there, paths))


def numbered_rows(
    batches: Iterable[tuple[list[dict[str, Any]], dict[str, list[Any]]]], lacking: set[str]
) -> Generator[RawRow, None, str]:
    """Rows with a name in place of each image; at the end, the digest of what else they hold.

    Args:
        batches: Rows without their columns of images, and the cells of those (`cells_of`).
        lacking: Takes the names of images that have neither bytes nor a path.
    """
    digest = hashlib.sha256()
    number = 0
    for plain, cells in batches:
        for index, row in enumerate(plain):
            digest.update(json.dumps(row, sort_keys=True, default=str).encode())
            for column, found in cells.items():
                row[column] = named(found[index], f"{KEPT}{number}:{column}", lacking)
            number += 1
            yield RawRow(number, row)
    return digest.hexdigest()


def named(cell: Any, name: str, lacking: set[str]) -> Any:
    """What a row has in place of a cell with bytes: a name for each image, or its path.

    The names of those that have neither are added to `lacking`.
    """
    if isinstance(cell, list):
        return [named(one, f"{name}:{place}", lacking) for place, one in enumerate(cell)]
    if cell is None:
        return None
    kept, path = cell
    if path and not kept:
        return path
    name = f"{name}:{path or ''}"
    if not kept:
        lacking.add(name)
    return name


def kept_image(rows: Records, name: str, path: str | Path) -> bytes:
    """The encoded image that a name of `named` stands for.

    Raises:
        MissingImagesError: If the row has none.
    """
    index, column, place = name.removeprefix(KEPT).split(":", 2)
    value = rows.record(int(index), column)[column]
    if isinstance(value, list):
        value = value[int(place.partition(":")[0])]
    if isinstance(value, dict):
        value = value["bytes"]
    if value is None:
        raise MissingImagesError(f"row {int(index) + 1} has no image in {column!r}", path=path)
    return bytes(value)
