"""Data sets of the Hugging Face kind: on disk, as Parquet, or by name from the hub.

Rows are read without their pixels, which stay in the memory-mapped table until an image is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from vlreward.data.embedded import EmbeddedRows, cells_of, image_columns
from vlreward.data.errors import DataError
from vlreward.data.parquet import ParquetRows

__all__ = ["HubRows", "needed", "open_hub"]

_BATCH = 1000


def open_hub(
    path: str | Path, *, split: str | None = None, config: str | None = None
) -> HubRows | ParquetRows:
    """Open a data set with the `datasets` library, or Parquet files as they are.

    Args:
        path: A directory written by `save_to_disk`, a `.parquet` file, a directory of Parquet
            files as `hf download` leaves it, or `hf:OWNER/NAME` for the hub (or its cache).
        split: Name of the split; needed if there are several.
        config: Name of the configuration, of a data set that has several.

    Raises:
        ImportError: If `datasets` is not installed; names the extra.
        DataError: If it is no such data set, or the split is missing or ambiguous.
    """
    if isinstance(path, Path) and path.is_file():
        if path.suffix.lower() == ".parquet":
            needed("pyarrow", path)
            return ParquetRows(path, [path])
        raise DataError(
            "expected a file that ends in .json, .jsonl, .ndjson, .csv, .tsv, .xlsx, .parquet or "
            ".yaml, or a directory; what is compressed must be unpacked first",
            path=path,
        )
    datasets = needed("datasets", path)
    try:
        if isinstance(path, str):
            found = datasets.load_dataset(path.removeprefix("hf:"), config)
        elif (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            found = datasets.load_from_disk(str(path))
        elif path.is_dir() and any(path.rglob("*.parquet")):
            builder = datasets.load_dataset_builder(str(path), config)
            if any(base.__name__ == "Parquet" for base in type(builder).__mro__):
                files = [Path(f) for f in _split_of(builder.config.data_files, split, path)]
                return ParquetRows(path, files)
            found = datasets.load_dataset(str(path), config)
        else:
            raise DataError(
                f"expected a directory saved by datasets or holding rows, got {str(path)!r}"
            )
    except (ValueError, OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"datasets cannot read it: {type(error).__name__}: {error.__cause__ or error}",
            path=path,
        ) from error
    if isinstance(found, datasets.DatasetDict):
        found = _split_of(found, split, path)
    return HubRows(path, found)


def _split_of(found: Mapping[Any, Any], split: str | None, path: str | Path) -> Any:
    """The split that is asked for, or the only one."""
    names = {str(name): name for name in found}
    if split is None and len(names) > 1:
        raise DataError(
            f"expected one split, got {', '.join(sorted(names))}: name one with --split",
            path=path,
        )
    name = split if split is not None else next(iter(names))
    if name not in names:
        raise DataError(f"no split {name!r}; there are {', '.join(sorted(names))}", path=path)
    return found[names[name]]


def needed(name: str, path: str | Path) -> Any:
    """A module of a library that a file needs.

    Raises:
        ImportError: If it is not installed; names the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{str(path)!r} needs the library {name.partition('.')[0]!r}, which is not installed: "
            "pip install 'vlreward[data]'"
        ) from error


class HubRows(EmbeddedRows):
    """Rows of a `datasets.Dataset`."""

    def __init__(self, path: str | Path, table: Any) -> None:
        import datasets

        super().__init__(path)
        for column, kind in list(table.features.items()):
            plain = datasets.Image(decode=False)
            if isinstance(kind, datasets.Image):
                table = table.cast_column(column, plain)
            elif isinstance(getattr(kind, "feature", None), datasets.Image):
                # A column of lists of images, as EasyR1 and verl have it.
                table = table.cast_column(column, type(kind)(plain))
        self._table = table
        self._columns = {"": table}
        self._embedded = image_columns(table.features.arrow_schema)

    def _batches(self) -> Iterator[tuple[list[dict[str, Any]], dict[str, list[Any]]]]:
        for batch in self._table.with_format("arrow").iter(batch_size=_BATCH):
            plain = batch.drop_columns(self._embedded).to_pylist()
            embedded = {name: cells_of(batch[name].combine_chunks()) for name in self._embedded}
            yield plain, embedded

    def record(self, index: int, column: str = "") -> dict[str, Any]:
        """A row, counted from 0, with the bytes of its images; or one column of it."""
        if column not in self._columns:
            self._columns[column] = self._table.select_columns(column)
        return dict(self._columns[column][index])
