"""Data sets of the Hugging Face kind: on disk, as Parquet, or by name from the hub.

Rows are read without their pixels, which stay in the memory-mapped table until an image is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError, MissingImagesError
from vlreward.data.image_values import KEPT
from vlreward.data.rows import RawRow

__all__ = ["HubRows", "open_hub"]

_BATCH = 1000


def open_hub(path: str | Path, *, split: str | None = None, config: str | None = None) -> HubRows:
    """Open a data set with the `datasets` library.

    Args:
        path: A directory written by `save_to_disk`, a `.parquet` file, a directory of Parquet
            files as `hf download` leaves it, or `hf:OWNER/NAME` for the hub (or its cache).
        split: Name of the split; needed if there are several.
        config: Name of the configuration, of a data set that has several.

    Raises:
        ImportError: If `datasets` is not installed; names the extra.
        DataError: If it is no such data set, or the split is missing or ambiguous.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            f"reading {str(path)!r} needs the library 'datasets', which is not installed: "
            "pip install 'vlreward[data]'"
        ) from error
    try:
        if isinstance(path, str):
            found = datasets.load_dataset(path.removeprefix("hf:"), config)
        elif path.is_file() and path.suffix.lower() == ".parquet":
            found = datasets.load_dataset("parquet", data_files=str(path))["train"]
            if split not in (None, "train"):  # what `datasets` calls the only one
                raise DataError(
                    f"expected a data set with splits for --split {split}, got a single file",
                    path=path,
                )
        elif (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            found = datasets.load_from_disk(str(path))
        elif path.is_dir() and any(path.rglob("*.parquet")):
            found = datasets.load_dataset(str(path), config)
        else:
            raise DataError(
                "expected a .json, .jsonl, .yaml or .parquet file, or a directory saved by "
                f"datasets or holding Parquet files, got {str(path)!r}"
            )
    except (ValueError, OSError, RuntimeError) as error:  # what `datasets` raises for bad input
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"datasets cannot read it: {type(error).__name__}: {error}", path=path
        ) from (error)
    if isinstance(found, datasets.DatasetDict):
        if split is None and len(found) > 1:
            raise DataError(
                f"expected one split, got {', '.join(sorted(found))}: name one with --split",
                path=path,
            )
        name = split if split is not None else next(iter(found))
        if name not in found:
            raise DataError(f"no split {name!r}; there are {', '.join(sorted(found))}", path=path)
        found = found[name]
    return HubRows(path, found)


class HubRows:
    """Rows of a `datasets.Dataset`, and its embedded images.

    Attributes:
        sha256: Hex digest of the rows as JSON without the pixels, once all have been read.
    """

    def __init__(self, path: str | Path, table: Any) -> None:
        import datasets

        self._path = path
        self.sha256 = ""
        for column, kind in list(table.features.items()):
            plain = datasets.Image(decode=False)
            if isinstance(kind, datasets.Image):
                table = table.cast_column(column, plain)
            elif isinstance(getattr(kind, "feature", None), datasets.Image):
                # A column of lists of images, as EasyR1 and verl have it.
                table = table.cast_column(column, type(kind)(plain))
        self._table = table
        types = {field.name: field.type for field in table.features.arrow_schema}
        self._embedded = {name: kind for name, kind in types.items() if "binary" in str(kind)}

    def __iter__(self) -> Iterator[RawRow]:
        digest = hashlib.sha256()
        number = 0
        for batch in self._table.with_format("arrow").iter(batch_size=_BATCH):
            plain = batch.drop_columns(list(self._embedded)).to_pylist()
            embedded = {name: _cells(batch[name]) for name in self._embedded}
            for index, row in enumerate(plain):
                digest.update(json.dumps(row, sort_keys=True, default=str).encode())
                for column, cells in embedded.items():
                    row[column] = _named(cells[index], f"{KEPT}{number}:{column}")
                number += 1
                yield RawRow(number, row)
        self.sha256 = digest.hexdigest()

    def hold(self, raw: RawRow) -> None:
        """Nothing: the table is at hand."""

    def row(self, number: int) -> dict[str, Any]:
        """A row again, with the bytes of its images."""
        return dict(self._table[number - 1])

    def source(self, name: str) -> Path | bytes:
        """The encoded image that a row keeps."""
        row, column, place = name.removeprefix(KEPT).split(":", 2)
        value = self._table[int(row)][column]
        if isinstance(value, list):
            value = value[int(place.partition(":")[0])]
        if isinstance(value, dict):
            value = value["bytes"]
        if value is None:
            raise MissingImagesError(
                f"row {int(row) + 1} has no image in {column!r}", path=self._path
            )
        return bytes(value)


def _cells(column: Any) -> list[Any]:
    """What tells the images of each row apart, without touching the bytes.

    A cell is (has bytes, path) for an image, and None or a list of such in a column of lists.
    """
    import pyarrow as pa

    cells: list[Any] = []
    for chunk in column.chunks:
        if pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type):
            inner = _cells(pa.chunked_array([chunk.flatten()]))
            ends = chunk.value_lengths().to_pylist()
            start = 0
            for length in ends:
                cells.append(None if length is None else inner[start : start + length])
                start += length or 0
        elif pa.types.is_struct(chunk.type):
            names = [field.name for field in chunk.type]
            there = chunk.field("bytes").is_valid().to_pylist() if "bytes" in names else []
            paths = chunk.field("path").to_pylist() if "path" in names else [None] * len(chunk)
            cells += zip(there or [False] * len(chunk), paths)
        else:
            cells += [(True, None)] * len(chunk)
    return cells


def _named(cell: Any, name: str) -> Any:
    """What a row has in place of a cell with bytes: a name for each image, or its path."""
    if isinstance(cell, list):
        return [_named(one, f"{name}:{place}") for place, one in enumerate(cell)]
    if cell is None:
        return None
    kept, path = cell
    return path if path and not kept else f"{name}:{path or ''}"
