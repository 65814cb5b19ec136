"""How a run file is written and read: its lines, its header, and its faults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlreward.engines.base import Generation
from vlreward.errors import UserError
from vlreward.geometry import Size

__all__ = [
    "SCHEMA",
    "RunFileError",
    "RunMismatchError",
    "check_identity",
    "from_json",
    "line",
    "read",
    "sample_ids",
    "to_json",
    "whole_lines",
]

SCHEMA = "vlreward.run/1"
"""Schema of a run file, as its header names it."""


class RunFileError(UserError, ValueError):
    """A run file that is damaged, or that is none. The text names the file and the line."""


class RunMismatchError(RunFileError):
    """A run file of another model, prompt or sampling. The text says what differs."""


def line(record: Mapping[str, Any]) -> bytes:
    # ASCII keeps the file readable whatever half of a surrogate pair a model produced.
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def whole_lines(content: bytes, path: Path) -> int:
    """Length of the leading part that ends in a newline and whose last line is a JSON object.

    A crash of the system can leave the last blocks of a file as zeros, or a newline without what
    stood before it, so the last lines are tried until one is whole.

    Raises:
        RunFileError: If nothing is whole and the file does not begin as a run file does: it is
            someone else's, and must not be cut.
    """
    end = content.rfind(b"\n") + 1
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        if _object(content[start:end]) is not None:
            return end
        end = start
    first = line({"schema": SCHEMA})[:-2]
    if content.strip(b"\0") and not content.startswith(first[: len(content)]):
        raise RunFileError(
            f"expected a run file with schema {SCHEMA!r} at {str(path)!r}, got text that begins "
            f"{content[:40]!r}; choose another place for this run"
        )
    return 0


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Generation]]:
    generations: dict[str, Generation] = {}
    header: dict[str, Any] = {}
    for number, line in enumerate(content.splitlines(), 1):
        record = _object(line)
        where = f"line {number} of {str(path)!r}"
        if record is None:
            raise RunFileError(f"expected a JSON object in {where}, got {line[:80]!r}; delete it")
        if number == 1:
            if record.get("schema") != SCHEMA:
                raise RunFileError(
                    f"expected a run file with schema {SCHEMA!r}, got {record.get('schema')!r} "
                    f"in {where}; choose another place for this run"
                )
            header = record
            continue
        try:
            key, generation = record["key"], from_json(record)
        except (KeyError, TypeError, ValueError) as error:
            raise RunFileError(f"expected an answer in {where}: {error!r}; delete it") from None
        generations.setdefault(key, generation)
    return header, generations


def sample_ids(content: bytes) -> dict[str, str | None]:
    """The sample id recorded beside each key, of the lines that are whole."""
    records = (_object(line) for line in content.splitlines())
    return {r["key"]: r.get("id") for r in records if r is not None and "key" in r}


_FIELDS = tuple(f.name for f in dataclasses.fields(Generation))


def to_json(generation: Generation) -> dict[str, Any]:
    values = ((name, getattr(generation, name)) for name in _FIELDS)
    return {name: value for name, value in values if value is not None and value is not False}


def from_json(record: Mapping[str, Any]) -> Generation:
    known = {name: record[name] for name in _FIELDS if name in record}
    for name in ("image_size", "input_size"):
        if known.get(name) is not None:
            known[name] = Size.from_sequence(known[name])
    if not isinstance(known.get("text"), str):
        raise ValueError(f"expected a text, got {known.get('text')!r}")
    return Generation(**known)


def check_identity(found: Any, expected: Mapping[str, Any], path: Path) -> None:
    if found == expected:
        return
    differences = "; ".join(
        f"{name}: the file has {old!r}, this run {new!r}"
        for name, old, new in _differences(found, expected)
    )
    raise RunMismatchError(
        f"{str(path)!r} holds answers that were generated differently ({differences}). Write this "
        "run to another directory, or delete the file to start over"
    )


def _differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield name or "identity", old, new
