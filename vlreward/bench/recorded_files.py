"""The rows of a file of recorded completions, whatever its format, with its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.bench.inspect_log import inspect_rows, inspect_sample
from vlreward.bench.recorded_keys import plain_rows
from vlreward.data.errors import DataError
from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile, read_json
from vlreward.training.traces import is_trace, read_trace

__all__ = ["SUFFIXES", "RecordedRows", "recorded_rows"]

SUFFIXES = (".json", *JSONL_SUFFIXES, ".tsv", ".csv", ".xlsx", ".eval", ".parquet")
"""What `recorded_rows` reads, by the ending of the name."""

_LISTS = ("results", "samples", "predictions", "rows", "data", "records", "completions", "logs")


@dataclass(frozen=True, slots=True)
class RecordedRows:
    """What a file holds."""

    rows: list[RawRow]
    """Its rows, as objects of the tool's own keys."""
    sha256: str
    """Hex digest of its bytes."""
    accuracy: float | None = None
    """The accuracy that it records itself, as a fraction; None if it records none."""
    notes: tuple[str, ...] = ()
    """What was left out."""


def recorded_rows(path: Path) -> RecordedRows:
    """Read the rows of a file, by the ending of its name.

    `.json` is a list, an object with a list of rows (`results` of VLM-R1, `samples` of inspect), or
    an object of rows by id; `.jsonl` has a row a line, and is a training run's trace if its name is
    `rank-N.jsonl`; `.tsv`, `.csv` and `.xlsx` have a header; `.eval` is inspect's log; `.parquet`
    needs the extra `data`, `.xlsx` the extra `xlsx`.

    Raises:
        DataError: If the file is missing, empty, damaged or of another format.
        ImportError: If the extra is missing; names it.
    """
    if not path.is_file():
        what = "a directory" if path.is_dir() else "no such file"
        raise DataError(f"expected a file of recorded completions, found {what}", path=path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"expected a file that ends in {', '.join(SUFFIXES)}", path=path)
    if is_trace(path):
        torn: list[str] = []
        return RecordedRows(list(read_trace(path, torn.append)), _digest(path), notes=tuple(torn))
    if suffix in JSONL_SUFFIXES:
        file = RowFile(path)
        return RecordedRows(list(plain_rows(file)), file.sha256)
    if suffix == ".json":
        return _json(path)
    if suffix == ".eval":
        rows = inspect_rows(path)
    elif suffix == ".parquet":
        from vlreward.data.hub import open_hub

        rows = list(open_hub(path, split=None))
    else:
        from vlreward.bench.recorded_tables import table_rows

        rows = list(table_rows(path))
    return RecordedRows(rows, _digest(path))


def _json(path: Path) -> RecordedRows:
    content = read_json(path)
    accuracy = None
    values: list[Any] | None = content if isinstance(content, list) else None
    if isinstance(content, Mapping):
        name = next((n for n in _LISTS if isinstance(content.get(n), list)), None)
        if name is not None:
            values, accuracy = content[name], content.get("accuracy")
            if name == "samples" and "eval" in content:
                values = [inspect_sample(value) for value in values or ()]
        elif content and all(isinstance(v, Mapping) for v in content.values()):
            values = [{"id": key, **row} for key, row in content.items()]
    if values is None:
        keys = f" with the keys {sorted(content)[:12]}" if isinstance(content, Mapping) else ""
        raise DataError(
            f"expected a JSON list of rows, or an object with one under {', '.join(_LISTS)}, got "
            f"{type(content).__name__}{keys}; if every line of the file is one row, name it .jsonl",
            path=path,
        )
    rows = list(plain_rows(RawRow(n, value) for n, value in enumerate(values, 1)))
    if not rows:
        raise DataError("expected rows, got an empty list", path=path)
    if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)):
        accuracy = None
    # These files record percentages.
    return RecordedRows(rows, _digest(path), None if accuracy is None else accuracy / 100)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
