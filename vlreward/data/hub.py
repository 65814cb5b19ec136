"""Data sets of the Hugging Face kind: on disk, as Parquet, or by name from the hub.

Rows are read without their pixels, which stay in the memory-mapped table until an image is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError
from vlreward.data.rows import RawRow

__all__ = ["HubRows", "open_hub"]

_BATCH = 1000
_EMBEDDED = "row:"


def open_hub(path: str | Path, *, split: str | None = None) -> HubRows:
    """Open a data set with the `datasets` library.

    Args:
        path: A directory written by `save_to_disk`, a `.parquet` file, a directory of Parquet
            files as `hf download` leaves it, or `hf:OWNER/NAME` for the hub (or its cache).
        split: Name of the split; needed if there are several.

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
            found = datasets.load_dataset(path.removeprefix("hf:"))
        elif path.is_file() and path.suffix.lower() == ".parquet":
            found = datasets.load_dataset("parquet", data_files=str(path))
            split = "train"  # what `datasets` calls the only one
        elif (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            found = datasets.load_from_disk(str(path))
        elif path.is_dir() and any(path.rglob("*.parquet")):
            found = datasets.load_dataset(str(path))
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
                f"expected one split, got {sorted(found)}: name one with split=...", path=path
            )
        name = split if split is not None else next(iter(found))
        if name not in found:
            raise DataError(f"no split {name!r}; there are {sorted(found)}", path=path)
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
        self._images = [k for k, v in table.features.items() if isinstance(v, datasets.Image)]
        binary = [k for k, v in table.features.items() if "binary" in str(getattr(v, "dtype", ""))]
        table = table.remove_columns(binary)
        for column in self._images:
            table = table.cast_column(column, datasets.Image(decode=False))
        # A column of lists of images, as EasyR1 and verl have it.
        self._lists = [
            name
            for name, kind in table.features.items()
            if isinstance(getattr(kind, "feature", None), datasets.Image)
        ]
        for column in self._lists:
            plain = type(table.features[column])(datasets.Image(decode=False))
            table = table.cast_column(column, plain)
        self._table = table

    @property
    def images(self) -> HubRows | None:
        """This, if images are embedded; None if rows name files."""
        return self if self._images or self._lists else None

    def __iter__(self) -> Iterator[RawRow]:
        digest = hashlib.sha256()
        number = 0
        for batch in self._table.with_format("arrow").iter(batch_size=_BATCH):
            plain = batch.drop_columns([*self._images, *self._lists]).to_pylist()
            lengths = {
                column: batch[column].combine_chunks().value_lengths() for column in self._lists
            }
            names = {column: _names(batch[column]) for column in self._images}
            for index, row in enumerate(plain):
                digest.update(json.dumps(row, sort_keys=True, default=str).encode())
                # The name of the file, if there is one, tells rows apart for people.
                for column in self._images:
                    name = names[column][index]
                    row[column] = f"{_EMBEDDED}{number}:{column}:{name or ''}"
                for column in self._lists:
                    n = lengths[column][index].as_py() or 0
                    row[column] = [f"{_EMBEDDED}{number}:{column}:{i}" for i in range(n)]
                number += 1
                yield RawRow(number, row)
        self.sha256 = digest.hexdigest()

    def source(self, name: str) -> Path | bytes:
        """The encoded image, or its file if it is stored as a path.

        Raises:
            DataError: If the row has none.
        """
        value = self._cell(name)
        return Path(value["path"]) if value["bytes"] is None else bytes(value["bytes"])

    def _cell(self, name: str) -> dict[str, Any]:
        row, column, place = name.removeprefix(_EMBEDDED).split(":", 2)
        value = self._table[int(row)][column]
        if column in self._lists:
            value = value[int(place)]
        if value is None or (value["bytes"] is None and not value["path"]):
            raise DataError(f"row {int(row) + 1} has no image in {column!r}", path=self._path)
        return dict(value)


def _names(column: Any) -> list[str | None]:
    """The file names in a column of embedded images, without touching the bytes."""
    names: list[str | None] = []
    for chunk in column.chunks:
        names += chunk.field("path").to_pylist()
    return names
