"""Raw rows of JSON and JSON Lines files, with their place in the file."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError

__all__ = ["JSONL_SUFFIXES", "RawRow", "RowFile"]

JSONL_SUFFIXES = (".jsonl", ".ndjson")

_BOMS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as the file has it."""

    number: int
    """Number of the row, counted from 1."""
    value: Any
    """What JSON gave; an object in a good file."""
    line: int | None = None
    """Line, counted from 1; None if rows are not lines."""


@dataclass(slots=True)
class RowFile:
    """The rows of a `.json` list or a `.jsonl` file, read once, hashed on the way.

    JSON Lines are read line by line, so a long file is never held in memory as a whole. Blank
    lines are passed over.
    """

    path: Path
    """File to read."""
    sha256: str = field(default="", init=False)
    """Hex digest of the bytes of the file; set once all rows have been read."""

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows.

        Raises:
            DataError: If the file is empty, not UTF-8, starts with a byte order mark or is not
                JSON; names the line and, within it, the column.
        """
        if self.path.suffix.lower() in JSONL_SUFFIXES:
            return self._lines()
        return self._list()

    def _lines(self) -> Iterator[RawRow]:
        digest = hashlib.sha256()
        number = 0
        with self.path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                digest.update(raw)
                if line == 1:
                    self._refuse_bom(raw)
                if not raw.strip():
                    continue
                number += 1
                yield RawRow(number, self._parse(raw, line), line)
        if not number:
            raise DataError("expected rows, got an empty file", path=self.path)
        self.sha256 = digest.hexdigest()

    def _list(self) -> Iterator[RawRow]:
        raw = self.path.read_bytes()
        self._refuse_bom(raw)
        if not raw.strip():
            raise DataError("expected rows, got an empty file", path=self.path)
        digest = hashlib.sha256(raw).hexdigest()
        rows = self._parse(raw)
        del raw
        if not isinstance(rows, list):
            raise DataError(self._not_a_list(rows), path=self.path)
        if not rows:
            raise DataError("expected rows, got an empty list", path=self.path)
        for index in range(len(rows)):
            yield RawRow(index + 1, rows[index])
            rows[index] = None  # lets go of what has been converted
        self.sha256 = digest

    @staticmethod
    def _not_a_list(value: Any) -> str:
        message = f"expected a JSON list of rows, got {type(value).__name__}"
        if isinstance(value, dict):
            message += f" with the keys {sorted(map(str, value))[:12]}"
            if "results" in value:
                message += "; this looks like a result file of an evaluation, not a data set"
            elif len(value) > 1:
                message += "; if every line of the file is one row, name it .jsonl"
        return message

    def _refuse_bom(self, head: bytes) -> None:
        for bom, name in _BOMS:
            if head.startswith(bom):
                raise DataError(
                    f"expected UTF-8 without a byte order mark, got {name}: save the file as UTF-8",
                    path=self.path,
                )

    def _parse(self, raw: bytes, line: int | None = None) -> Any:
        try:
            return _DECODER.decode(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            at = line or raw.count(b"\n", 0, error.start) + 1
            column = error.start - raw.rfind(b"\n", 0, error.start)
            raise DataError(
                f"line {at}, byte {column}: expected UTF-8, got 0x{raw[error.start]:02x}: "
                "save the file as UTF-8",
                path=self.path,
            ) from None
        except json.JSONDecodeError as error:
            message = (
                f"line {line or error.lineno}, column {error.colno}: expected JSON: {error.msg}"
            )
            if line is None and error.msg == "Extra data":
                message += "; if every line of the file is one row, name it .jsonl"
            raise DataError(message, path=self.path) from None
        except RecursionError:
            raise DataError(
                f"line {line or 1}: expected JSON, got values nested too deeply", path=self.path
            ) from None
        except ValueError as error:  # NaN, or an integer of more digits than Python converts
            raise DataError(f"line {line or 1}: expected JSON: {error}", path=self.path) from None
