"""Rows of a directory of `.json` and `.jsonl` files, as ScreenSpot-Pro's annotations come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile

__all__ = ["RowFolder"]


@dataclass(slots=True)
class RowFolder:
    """The rows of every file of rows in a directory, in the order of their names."""

    path: Path
    """Directory to read."""
    sha256: str = field(default="", init=False)
    """Hex digest of the files' digests; set once all rows have been read."""

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
        for path in self.files():
            file = RowFile(path)
            for row in file:
                number += 1
                yield RawRow(number, row.value, row.line)
            digest.update(file.sha256.encode())
        self.sha256 = digest.hexdigest()
