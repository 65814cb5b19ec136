"""Rows of Parquet files as they stand in them: images stay there until one is opened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlreward.data.embedded import (
    ArrowCopy,
    EmbeddedRows,
    cells_of,
    copy_path,
    image_columns,
)  # fmt: skip
from vlreward.data.errors import DataError

__all__ = ["ParquetRows"]

_BATCH = 1_000
_BATCH_BYTES = 4 << 20
_FAR = 64 << 20  # bytes that are decoded to reach a row; beyond that a table is quicker
_KEPT_BATCHES = 4
_OPEN_FILES = 16


@dataclass
class _Cursor:
    """Where the reading of a row group stands."""

    group: int
    next: int
    """Index in the file of the row that comes next."""
    batches: Iterator[Any]


class ParquetRows(EmbeddedRows):
    """Rows of one Parquet file or of several, read batch by batch.

    The bytes of images are read for the rows whose images are opened and for no others. Parquet has
    no way to one row but through those before it in its row group. Where that is far, as in a file
    of one large group, or once as much was passed over as a copy would read, the column is copied
    once to the user's cache, uncompressed; reading in order never does that.

    Args:
        path: What was asked for.
        files: The files, in order; all with the columns of the first.

    Raises:
        DataError: If one is no Parquet file, or has other columns.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        super().__init__(path)
        self._copies: dict[str, ArrowCopy] = {}
        self._lock = threading.Lock()
        self._passed_over = 0.0  # bytes that were decoded to reach rows behind them
        self._cursors: dict[str, _Cursor] = {}
        self._recent: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._paths = list(files)
        self._opened = lru_cache(_OPEN_FILES)(_opened)
        self._embedded: list[str] = []
        self._groups: list[tuple[int, int, Any]] = []  # file, its row group, what it says of it
        self._starts = [0]
        names: list[str] = []
        for place in range(len(self._paths)):
            file = self._opened(self._paths[place])
            names = names or file.schema_arrow.names
            if sorted(file.schema_arrow.names) != sorted(names):
                raise DataError(
                    f"expected the columns {names} as in {self._paths[0].name}, got "
                    f"{file.schema_arrow.names}",
                    path=self._paths[place],
                )
            self._embedded = self._embedded or image_columns(file.schema_arrow)
            for group in range(file.num_row_groups):
                about = file.metadata.row_group(group)
                self._groups.append((place, group, about))
                self._starts.append(self._starts[-1] + about.num_rows)

    def __reduce__(self) -> Any:
        """For another process, which opens the files for itself."""
        return _again, (self._path, self._paths, self.sha256, self.lacking)

    def _batches(self) -> Iterator[tuple[list[dict[str, Any]], dict[str, list[Any]]]]:
        for group in range(len(self._groups)):
            columns, bare = self._without_bytes(group)
            for batch in self._read(group, columns, _BATCH):
                plain = batch.drop_columns([c for c in self._embedded if c in batch.schema.names])
                cells = {
                    name: cells_of(batch.column(name), bare.get(name)) for name in self._embedded
                }
                yield plain.to_pylist(), cells

    def record(self, index: int, column: str = "") -> dict[str, Any]:
        """A row, counted from 0, or one column of it."""
        with self._lock:
            if column not in self._copies:
                found = self._reached(index, column)
                if found is not None:
                    return found
                self._copies[column] = self._copied(column)
            return self._copies[column].record(index)

    def _copied(self, column: str) -> ArrowCopy:
        import pyarrow as pa

        schema = self._opened(self._paths[0]).schema_arrow
        names = [column] if column else schema.names
        return ArrowCopy.write(
            copy_path(self._paths, column),
            pa.schema([schema.field(name) for name in names]),
            (
                batch.select(names)
                for group in range(len(self._groups))
                for batch in self._read(group, names, self._rows_at_once(group, column))
            ),
        )

    def _rows_at_once(self, group: int, column: str) -> int:
        return max(1, min(_BATCH, int(_BATCH_BYTES / self._bytes_of_a_row(group, column))))

    def _reached(self, index: int, column: str) -> dict[str, Any] | None:
        """The row, if it is near the last ones that were read; None if it is far."""
        for key, batch in self._recent.items():
            name, start = key
            if name == column and start <= index < start + batch.num_rows:
                self._recent.move_to_end(key)
                return dict(batch.slice(index - start, 1).to_pylist()[0])
        group = next(g for g, end in enumerate(self._starts[1:]) if index < end)
        each = self._bytes_of_a_row(group, column)
        cursor = self._cursors.get(column)
        if cursor is None or cursor.group != group or cursor.next > index:
            cursor = _Cursor(group, self._starts[group], iter(()))
        passed_over = (index - cursor.next) * each
        self._passed_over += passed_over
        if passed_over > _FAR or self._passed_over > each * self._starts[-1]:
            return None  # here, or by now, a copy costs less
        if self._cursors.get(column) is not cursor:
            names = [column] if column else None
            cursor.batches = self._read(group, names, self._rows_at_once(group, column))
            self._cursors[column] = cursor
        for batch in cursor.batches:
            start, cursor.next = cursor.next, cursor.next + batch.num_rows
            if index < cursor.next:
                self._recent[column, start] = batch
                if len(self._recent) > _KEPT_BATCHES:
                    self._recent.popitem(last=False)
                return dict(batch.slice(index - start, 1).to_pylist()[0])
        raise DataError(f"expected row {index + 1}, got the end of the file", path=self._path)

    def _read(self, group: int, columns: list[str] | None, size: int) -> Iterator[Any]:
        import pyarrow as pa

        place, inner, _ = self._groups[group]
        try:
            yield from self._opened(self._paths[place]).iter_batches(
                size, row_groups=[inner], columns=columns
            )
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"expected a whole Parquet file: {error}", path=self._paths[place]
            ) from None

    def _without_bytes(self, group: int) -> tuple[list[str], dict[str, bool]]:
        """The columns of a row group but for the bytes that need not be read.

        They need not where each image has a path beside it, and all have bytes, or none has; which
        of the two stands in the second value, by column.
        """
        about = self._groups[group][2]
        leaves = [about.column(i) for i in range(about.num_columns)]
        bare: dict[str, bool] = {}
        for name in self._embedded:
            mine = {leaf.path_in_schema: leaf for leaf in leaves if _top(leaf) == name}
            raw = [path for path in mine if path.endswith(".bytes")]
            beside = any(path.endswith(".path") for path in mine)
            counted = mine[raw[0]].statistics if len(raw) == 1 and beside else None
            if counted is None or not counted.has_null_count:
                continue
            if counted.null_count in (0, mine[raw[0]].num_values):
                bare[name] = counted.null_count == 0
        columns = [
            leaf.path_in_schema
            for leaf in leaves
            if not (_top(leaf) in bare and leaf.path_in_schema.endswith(".bytes"))
        ]
        return columns, bare

    def _bytes_of_a_row(self, group: int, column: str) -> float:
        about = self._groups[group][2]
        leaves = (about.column(i) for i in range(about.num_columns))
        size = sum(x.total_uncompressed_size for x in leaves if not column or _top(x) == column)
        return float(max(1, size / max(1, about.num_rows)))


def _again(path: Path, files: Sequence[Path], sha256: str, lacking: set[str]) -> ParquetRows:
    rows = ParquetRows(path, files)
    rows.sha256, rows.lacking = sha256, lacking
    return rows


def _top(leaf: Any) -> str:
    return str(leaf.path_in_schema).partition(".")[0]


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"expected a Parquet file: {error}", path=path) from None
