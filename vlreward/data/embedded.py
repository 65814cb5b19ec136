"""Rows of Arrow tables: names in place of embedded images, whose bytes stay where they are."""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlreward.data.errors import MissingImagesError
from vlreward.data.rows import RawRow
from vlreward.data.urls import image_cache
from vlreward.files import replacing

__all__ = ["KEPT", "ArrowCopy", "EmbeddedRows", "cells_of", "copy_path", "image_columns"]

KEPT = "row:"
"""How the name of an image begins that its row keeps."""
_COPY_DAYS = 30


class EmbeddedRows(ABC):
    """Rows that keep their images and can be read in any order.

    Attributes:
        sha256: Hex digest of the rows as JSON without the pixels, once all have been read.
        lacking: Names of images of the rows read so far that have neither bytes nor a path.
    """

    def __init__(self, path: str | Path) -> None:
        self.sha256 = ""
        self.lacking: set[str] = set()
        self._path = path

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows, with a name in place of each image.

        Raises:
            DataError: If a file is damaged.
        """
        digest = hashlib.sha256()
        number = 0
        for plain, cells in self._batches():
            for index, row in enumerate(plain):
                digest.update(json.dumps(row, sort_keys=True, default=str).encode())
                for column, found in cells.items():
                    row[column] = self._named(found[index], f"{KEPT}{number}:{column}")
                number += 1
                yield RawRow(number, row)
        self.sha256 = digest.hexdigest()

    @abstractmethod
    def _batches(self) -> Iterator[tuple[list[dict[str, Any]], dict[str, list[Any]]]]:
        """Rows without their columns of images, and the cells of those (`cells_of`)."""

    @abstractmethod
    def record(self, index: int, column: str = "") -> dict[str, Any]:
        """A row, counted from 0, with the bytes of its images; or one column of it."""

    def hold(self, raw: RawRow) -> None:  # noqa: B027 - for sources that cannot go back
        """Nothing: the rows are at hand."""

    def row(self, number: int) -> dict[str, Any]:
        """A row again, counted from 1, with the bytes of its images."""
        return self.record(number - 1)

    def source(self, name: str) -> bytes:
        """The encoded image that a row keeps.

        Raises:
            MissingImagesError: If it has none.
        """
        index, column, place = name.removeprefix(KEPT).split(":", 2)
        value = self.record(int(index), column)[column]
        if isinstance(value, list):
            value = value[int(place.partition(":")[0])]
        if isinstance(value, dict):
            value = value["bytes"]
        if value is None:
            raise MissingImagesError(
                f"row {int(index) + 1} has no image in {column!r}", path=self._path
            )
        return bytes(value)

    def _named(self, cell: Any, name: str) -> Any:
        """What stands in a row for a cell with bytes: a name for each image, or its path."""
        if isinstance(cell, list):
            return [self._named(one, f"{name}:{place}") for place, one in enumerate(cell)]
        if cell is None:
            return None
        kept, path = cell
        if path and not kept:
            return path
        name = f"{name}:{path or ''}"
        if not kept:
            self.lacking.add(name)
        return name


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


def copy_path(files: Sequence[Path], column: str) -> Path:
    """Where the copy of a column of some files is kept, of all columns for "".

    It lies in `vlreward/parquet` in the user's cache, under a name that changes with the files.
    """
    states = [(str(f.resolve()), s.st_size, s.st_mtime_ns) for f in files for s in [f.stat()]]
    key = hashlib.sha256(repr((states, column)).encode()).hexdigest()[:40]
    return image_cache().with_name("parquet") / f"{key}.arrow"


class ArrowCopy:
    """Rows in any order from a file of Arrow batches, kept until nobody opened it for 30 days."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        self._starts = [0]
        for place in range(self._file.num_record_batches):
            self._starts.append(self._starts[-1] + self._file.get_batch(place).num_rows)

    @classmethod
    def write(cls, path: Path, schema: Any, batches: Iterable[Any]) -> ArrowCopy:
        """Write batches of a schema, unless the file is there already.

        A file that is written takes the place of those beside it that nobody opens any more.

        Raises:
            OSError: If it cannot be written.
        """
        import pyarrow as pa

        if path.is_file():
            with suppress(OSError):  # of another user
                os.utime(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            oldest = time.time() - _COPY_DAYS * 86_400
            for other in path.parent.iterdir():
                with suppress(OSError):  # gone meanwhile, or of another user
                    if other.stat().st_mtime < oldest:
                        other.unlink()
            with replacing(path, "wb", sync=False) as file, pa.ipc.new_file(file, schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        return cls(path)

    def record(self, index: int) -> dict[str, Any]:
        """A row, counted from 0."""
        place = bisect_right(self._starts, index) - 1
        batch = self._file.get_batch(place)
        return dict(batch.slice(index - self._starts[place], 1).to_pylist()[0])
