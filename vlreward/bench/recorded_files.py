"""The rows of a file of recorded completions, whatever its format, with its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlreward.bench.inspect_log import inspect_rows, inspect_sample
from vlreward.bench.recorded_keys import plain_rows
from vlreward.data.errors import DataError
from vlreward.data.loaders import open_rows
from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile, is_by_id
from vlreward.data.tables import TABLE_SUFFIXES
from vlreward.data.traces import is_trace, read_trace

__all__ = ["SUFFIXES", "RecordedRows", "recorded_rows"]

SUFFIXES = (".json", *JSONL_SUFFIXES, *TABLE_SUFFIXES, ".eval", ".parquet")
"""What `recorded_rows` reads, by the ending of the name."""

_LISTS = ("results", "samples", "predictions", "rows", "data", "records", "completions", "logs")
_LONGEST_NAME = 512  # an image of more characters is one in base64, which no path is


@dataclass(frozen=True, slots=True)
class RecordedRows:
    """What a file holds."""

    rows: list[RawRow]
    """Its rows, as objects of the tool's own keys."""
    sha256: str
    """Hex digest of its bytes."""
    accuracy: Any = None
    """What it records as its accuracy, as it stands there; None if it records none."""
    notes: tuple[str, ...] = ()
    """What was left out."""


def recorded_rows(path: Path) -> RecordedRows:
    """Read the rows of a file, by the ending of its name.

    Files that data can be in too are read as data are, but for a `.json` object that holds its
    list of rows (`results` of VLM-R1, `samples` of inspect) beside other things, and a training
    run's trace, whose name is `rank-N.jsonl`. `.eval` is inspect's log.

    Raises:
        DataError: If the file is missing, empty, damaged or of another format.
        ImportError: If an extra is missing; names it.
    """
    if not path.is_file():
        what = "a directory" if path.is_dir() else "no such file"
        raise DataError(f"expected a file of recorded completions, found {what}", path=path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"expected a file that ends in {', '.join(SUFFIXES)}", path=path)
    if is_trace(path):
        torn: list[str] = []
        rows = list(read_trace(path, torn.append))
        # As the run's provenance, its notes have the name alone: paths differ by machine.
        notes = tuple(text.replace(str(path), path.name) for text in torn)
        return RecordedRows(rows, _digest(path), notes=notes)
    if suffix == ".eval":
        return RecordedRows(list(_without_pixels(inspect_rows(path))), _digest(path))
    accuracy = None

    def listed(content: Any) -> Any:
        nonlocal accuracy
        name = next((n for n in _LISTS if isinstance(content.get(n), list)), None)
        name = name or next((n for n in _LISTS if is_by_id(content.get(n))), None)
        if name is None:
            if is_by_id(content):
                return content
            raise DataError(
                f"expected a JSON list of rows, or an object with one under {', '.join(_LISTS)}, "
                f"got one with the keys {sorted(content)[:12]}; if every line of the file is one "
                "row, name it .jsonl",
                path=path,
            )
        accuracy = content.get("accuracy")
        if name == "samples" and "eval" in content:
            return [inspect_sample(value) for value in content[name]]
        return content[name]

    source = RowFile(path, listed=listed) if suffix == ".json" else open_rows(path)
    rows = list(plain_rows(_without_pixels(source)))
    return RecordedRows(rows, source.sha256, accuracy)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_pixels(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """Rows without images in base64, of which nothing is read here: a file is held whole."""
    for raw in rows:
        image = raw.value.get("image") if isinstance(raw.value, Mapping) else None
        if isinstance(image, str) and len(image) > _LONGEST_NAME:
            raw = replace(raw, value={k: v for k, v in raw.value.items() if k != "image"})
        yield raw
