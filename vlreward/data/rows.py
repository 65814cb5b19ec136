"""JSON and JSON Lines files, read strictly: whole, or as raw rows with their place in the file."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vlreward.data.coco import coco_rows, is_coco
from vlreward.data.errors import DataError, RowProblem

__all__ = ["JSONL_SUFFIXES", "RawRow", "RowFile", "RowSource", "is_by_id", "read_json"]

JSONL_SUFFIXES = (".jsonl", ".ndjson")

_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"expected a finite number, got {text[:40]}")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def read_json(path: Path) -> Any:
    """What a JSON file holds; NaN, infinities and numbers that overflow are refused.

    Raises:
        DataError: If the file cannot be read, is empty, not UTF-8, or is not JSON; names the
            line and, within it, the column.
    """
    try:
        return _whole(path, path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror or error}", path=path) from None


def _whole(path: Path, raw: bytes, what: str = "JSON") -> Any:
    raw = _without_bom(path, raw)
    if not raw.strip():
        raise DataError(f"expected {what}, got an empty file", path=path)
    return _parse(path, raw)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as the file has it."""

    number: int
    """Number of the row, counted from 1."""
    value: Any
    """What JSON gave; an object in a good file."""
    line: int | None = None
    """Line, counted from 1; None if rows are not lines."""
    place: str = ""
    """Where it is, of a row of one of several files."""

    def problem(self, message: str, kind: str = "bad_row", fit: str = "") -> RowProblem:
        """Something about this row; see `RowProblem`."""
        return RowProblem(self.number, message, self.line, kind, fit, self.place)


class RowSource(Protocol):
    """Rows, and a digest of them once all have been read."""

    sha256: str

    def __iter__(self) -> Iterator[RawRow]: ...

    def hold(self, raw: RawRow) -> None:
        """Keep what `row` needs to give this row again."""
        ...

    def row(self, number: int) -> Any:
        """A row that has been read, again; counted from 1."""
        ...


@dataclass(slots=True)
class RowFile:
    """The rows of a `.json` list or a `.jsonl` file, read once, hashed on the way.

    JSON Lines are read line by line, so a long file is never held in memory as a whole. Blank
    lines are passed over.
    """

    path: Path
    """File to read."""
    growing: bool = False
    """Whether lines are still being written to it: it may have none, and half a last one."""
    listed: Callable[[Any], Any] | None = None
    """What finds the rows in the object of a `.json` file that is no list of them."""
    torn: list[RowProblem] | None = None
    """Takes lines that are no JSON, of a file whose writers may be killed and go on with it; of the
    kind `unfinished` is a last one without an end. Without it such a line is an error."""
    sha256: str = field(default="", init=False)
    """Hex digest of the bytes of the file; set once all rows have been read."""
    _starts: array[int] = field(default_factory=lambda: array("q"), init=False, repr=False)
    _held: dict[int, Any] = field(default_factory=dict, init=False, repr=False)

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows.

        Raises:
            DataError: If the file is empty, not UTF-8, or is not JSON; names the line and, within
                it, the column.
        """
        if self.path.suffix.lower() in JSONL_SUFFIXES:
            return self._lines()
        return self._list()

    def hold(self, raw: RawRow) -> None:
        """Keep what `row` needs to give this row again."""
        if raw.line is None:
            self._held[raw.number] = raw.value

    def row(self, number: int) -> Any:
        """A row that has been read, again; of a list, one that `hold` kept."""
        if number in self._held:
            return self._held[number]
        with self.path.open("rb") as file:
            file.seek(self._starts[number - 1])
            return _parse(self.path, file.readline().rstrip())

    def _lines(self) -> Iterator[RawRow]:
        digest = hashlib.sha256()
        number = 0
        start = 0
        self._starts = array("q")
        with self.path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                digest.update(raw)
                here, start = start, start + len(raw)
                if line == 1:
                    raw, here = _without_bom(self.path, raw), here + _bom_length(raw)
                if not raw.strip():
                    continue
                try:
                    value = _parse(self.path, raw.rstrip(), line)
                except DataError:
                    unfinished = not raw.endswith(b"\n")
                    if self.torn is not None:
                        kind = "unfinished" if unfinished else "torn"
                        self.torn.append(RowProblem(line, "expected a line of JSON", line, kind))
                        continue
                    if self.growing and unfinished:
                        break
                    raise
                number += 1
                self._starts.append(here)
                yield RawRow(number, value, line)
        if not number and not self.growing:
            raise DataError("expected rows, got an empty file", path=self.path)
        self.sha256 = digest.hexdigest()

    def _list(self) -> Iterator[RawRow]:
        raw = self.path.read_bytes()
        rows = _whole(self.path, raw, "rows")
        digest = hashlib.sha256(raw).hexdigest()
        del raw
        if self.listed is not None and isinstance(rows, dict):
            rows = self.listed(rows)
        elif is_coco(rows):
            try:
                rows = coco_rows(rows)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                message = f"expected annotations in COCO's format: {error}"
                raise DataError(message, path=self.path) from None
        if is_by_id(rows):
            rows = [{"id": key, **row} for key, row in rows.items()]  # by id, as MathVista's
        if not isinstance(rows, list):
            raise DataError(self._not_a_list(rows), path=self.path)
        if not rows:
            raise DataError("expected rows, got an empty list", path=self.path)
        for index in range(len(rows)):
            yield RawRow(index + 1, rows[index])
            rows[index] = None  # lets go of what has been converted
        self.sha256 = digest

    def _not_a_list(self, value: Any) -> str:
        message = f"expected a JSON list of rows, got {type(value).__name__}"
        if isinstance(value, dict):
            message += f" with the keys {sorted(map(str, value))[:12]}"
            if "results" in value:
                message += "; this looks like a result file of an evaluation, not a data set"
            elif len(value) > 1:
                message += "; if every line of the file is one row, name it .jsonl"
        return message


def _bom_length(head: bytes) -> int:
    return len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0


def _without_bom(path: Path, head: bytes) -> bytes:
    """Bytes without the mark that Windows writes before UTF-8; other encodings are refused."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            raise DataError(f"expected UTF-8, got {name}: save the file as UTF-8", path=path)
    return head[_bom_length(head) :]


def is_by_id(value: Any) -> bool:
    """Whether what JSON gave is an object of rows, by their ids."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(row, dict) for row in value.values())
    )


def _parse(path: Path, raw: bytes, line: int | None = None) -> Any:
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        at = line or raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise DataError(
            f"line {at}, byte {column}: expected UTF-8, got 0x{raw[error.start]:02x}: "
            "save the file as UTF-8",
            path=path,
        ) from None
    except json.JSONDecodeError as error:
        message = f"line {line or error.lineno}, column {error.colno}: expected JSON: {error.msg}"
        if line is None and error.msg == "Extra data":
            message += "; if every line of the file is one row, name it .jsonl"
        elif line is not None and raw.strip() in (b"[", b"{"):
            message += "; if the file as a whole is JSON, name it .json"
        raise DataError(message, path=path) from None
    except RecursionError:
        raise DataError(
            f"line {line or 1}: expected JSON, got values nested too deeply", path=path
        ) from None
    except ValueError as error:  # NaN, or an integer of more digits than Python converts
        raise DataError(f"line {line or 1}: expected JSON: {error}", path=path) from None
