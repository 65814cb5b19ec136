"""Rows of tables: tab- or comma-separated text, and spreadsheets."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError, RowProblem
from vlreward.data.rows import RawRow

__all__ = ["TABLE_SUFFIXES", "TableRows"]

TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx")

_MAX_CELL = 16 * 1024 * 1024
_NUMBERED = ("index", "id", "doc_id", "question_id")


@dataclass(slots=True)
class TableRows:
    """The rows of a `.tsv`, `.csv` or `.xlsx` file with a header; empty cells are None."""

    path: Path
    """File to read."""
    sha256: str = field(default="", init=False)
    """Hex digest of the bytes of the file; set once all rows have been read."""
    _held: dict[int, Any] = field(default_factory=dict, init=False, repr=False)

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows.

        Raises:
            DataError: If it is no such table; names the line.
            ImportError: If it is a spreadsheet and the extra `xlsx` is missing.
        """
        number = 0
        spread = self.path.suffix.lower() == ".xlsx"
        for raw in _sheet(self.path) if spread else _separated(self.path):
            number = raw.number
            yield raw
        if not number:
            raise DataError("expected rows, got a header alone", path=self.path)
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()

    def hold(self, raw: RawRow) -> None:
        """Keep a row for `row`."""
        self._held[raw.number] = raw.value

    def row(self, number: int) -> Any:
        """A row that `hold` kept."""
        return self._held[number]


def _separated(path: Path) -> Iterator[RawRow]:
    csv.field_size_limit(_MAX_CELL)
    mark = "\t" if path.suffix.lower() == ".tsv" else ","
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=mark, strict=True)
            header = list(reader.fieldnames or [])
            _check_header(path, header)
            line = reader.line_num
            for number, row in enumerate(reader, 1):
                if None in row or None in row.values():
                    message = f"expected {len(header)} columns as in the header, got another number"
                    raise _error(path, number, message, reader.line_num)
                for cell in row.values():
                    if "\n" in cell and _holds_rows(cell, header, mark):
                        raise _error(
                            path, number, _OPEN_QUOTE.format(line + 1, reader.line_num), line + 1
                        )
                line = reader.line_num
                yield RawRow(number, _cells(row), line)
    except (UnicodeDecodeError, csv.Error) as error:
        quote = "; a quote that opens there is not closed in its cell: close it, or double it"
        raise DataError(
            f"line {line + 1}: expected a table of {'tab' if mark != ',' else 'comma'}-separated "
            f"UTF-8 text: {error}{quote if isinstance(error, csv.Error) else ''}",
            path=path,
        ) from None


_OPEN_QUOTE = (
    "expected a quote that closes in its own cell, got one from line {} to line {} that holds "
    "whole rows: close it, or double it where it belongs to the text"
)


def _holds_rows(cell: str, header: list[str], mark: str) -> bool:
    """Whether a cell of several lines is what a quote swallows that was left open: whole rows.

    From a place in one row to the same place in a later one, each line break comes with the marks
    of one row. With commas, of which texts are full, each line must also begin with a number where
    the header has one.
    """
    _, *after = cell.splitlines()
    of_rows = len(after) * (len(header) - 1)
    if not of_rows or mark == "\t":
        return 0 < of_rows == cell.count(mark)
    firsts = (line.split(mark, 1)[0].strip('"') for line in after)
    numbered = header[0].lower() in _NUMBERED and all(first.isdigit() for first in firsts)
    return numbered and cell.count(mark) >= of_rows


def _sheet(path: Path) -> Iterator[RawRow]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise ImportError(
            f"{path.name}: a spreadsheet needs openpyxl: pip install 'vlreward[xlsx]'; or save it "
            "as .tsv"
        ) from None
    from zipfile import BadZipFile

    try:
        book = load_workbook(path, read_only=True)  # formulas as text: "=5" is what was written
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise DataError(f"expected a spreadsheet: {error}", path=path) from None
    try:
        lines = book.worksheets[0].iter_rows(values_only=True)
        header = ["" if name is None else str(name) for name in next(lines, ())]
        while header and not header[-1]:
            header.pop()
        _check_header(path, header)
        number = 0
        for line, cells in enumerate(lines, 2):
            if all(cell is None for cell in cells):
                continue
            number += 1
            yield RawRow(
                number, _cells(dict(zip(header, chain(map(_number, cells), repeat(None))))), line
            )
    finally:
        book.close()


def _number(cell: Any) -> Any:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise DataError("expected a header, got an empty file", path=path)
    other = next((mark for mark in (";", "\t", "|", ",") if mark in header[0]), None)
    if len(header) == 1 and other is not None:
        raise DataError(
            f"expected a header of several columns, got one, {header[0]!r:.80}: is {other!r} what "
            "parts them? Files with commas are named .csv, those with tabs .tsv",
            path=path,
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"expected a header of names that differ, got {twice} again", path=path)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None in its empty cells."""
    return {name: None if cell == "" else cell for name, cell in row.items()}


def _error(path: Path, number: int, message: str, line: int) -> DataError:
    return DataError(str(RowProblem(number, message, line)), path=path)
