"""Rows of a directory of `.json` and `.jsonl` files, as ScreenSpot-Pro's annotations come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile

__all__ = ["RowFolder"]


@dataclass(slots=True)
class RowFolder:
    """The rows of every file of rows in a directory, in the order of their names."""

    path: Path
    """Directory to read."""
    sha256: str = field(default="", init=False)
    """Hex digest of the files' digests; set once all rows have been read."""
    _read: list[tuple[int, RowFile]] = field(default_factory=list, init=False, repr=False)

    def files(self) -> list[Path]:
        """The files, sorted by name; none in a directory of another kind."""
        suffixes = (".json", *JSONL_SUFFIXES)
        return sorted(p for p in self.path.iterdir() if p.suffix.lower() in suffixes)

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows, numbered through.

        Raises:
            DataError: As `RowFile` does.
        """
        digest = hashlib.sha256()
        number = 0
        self._read.clear()
        for path in self.files():
            file = RowFile(path)
            self._read.append((number, file))
            for row in file:
                number += 1
                at = f"row {row.number}" if row.line is None else f"line {row.line}"
                yield RawRow(number, row.value, row.line, f"{path.name}, {at}")
            digest.update(file.sha256.encode())
        self.sha256 = digest.hexdigest()

    def hold(self, raw: RawRow) -> None:
        """Keep what `row` needs to give this row again."""
        before, file = self._file(raw.number)
        file.hold(RawRow(raw.number - before, raw.value, raw.line))

    def row(self, number: int) -> Any:
        """A row that has been read, again."""
        before, file = self._file(number)
        return file.row(number - before)

    def _file(self, number: int) -> tuple[int, RowFile]:
        return next(pair for pair in reversed(self._read) if pair[0] < number)
