"""Which task rows are for, where their schema leaves it open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlreward._text import short
from vlreward.data.errors import BadRow, DataError
from vlreward.data.rows import RawRow
from vlreward.golds import claimant, is_envelope
from vlreward.schema import OPTION_KEYS, Fields, Schema, has_options
from vlreward.tasks import TASKS

__all__ = ["PACKED", "fields_of", "task_of_rows"]

PACKED = "ground_truth"
"""Where envelopes stand in rows of no trainer that looks elsewhere."""


def fields_of(raw: RawRow, schema: Schema) -> Fields:
    """Read one row by a schema.

    Raises:
        BadRow: If it is no object, lacks a key, or has a value of another kind.
    """
    if not isinstance(raw.value, dict):
        raise BadRow(f"expected an object, got {short(raw.value)}")
    if lacking := [key for key in schema.keys if key not in raw.value]:
        raise BadRow(
            f"expected the keys {', '.join(schema.keys)} of schema {schema.name!r}, got no "
            f"{', '.join(lacking)} among {sorted(map(str, raw.value))}"
        )
    try:
        fields = schema.read(raw.value)
        # The envelope that `vlreward pack` added beside the gold knows its frame.
        if isinstance(packed := raw.value.get(PACKED), str) and is_envelope(packed):
            fields.gold = packed
            (fields.metadata or {}).pop(PACKED, None)
        return fields
    except BadRow:
        raise
    except ValueError as error:
        raise BadRow(str(error)) from None


def task_of_rows(schema: Schema, rows: Iterable[RawRow], path: str | Path) -> str:
    """The one task that all golds can belong to.

    Raises:
        DataError: If they belong to several, or if every gold could be a count or an expression.
    """
    first_of: dict[str, RawRow] = {}
    for raw in rows:
        try:
            gold = fields_of(raw, schema).gold
            kind = claimant(gold, typed=schema.typed)
            if kind is None and has_options(raw.value):  # a letter, and what it stands for
                options = {key: raw.value[key] for key in OPTION_KEYS if raw.value.get(key)}
                kind = claimant({"answer": gold, **options}, typed=schema.typed)
        except ValueError:
            continue  # the row is reported when it is read
        if kind is not None:
            first_of.setdefault(kind, raw)
    if len(first_of) == 1:
        return next(iter(first_of))
    if first_of:
        raise DataError(
            "expected golds of one task, got mixed types; name the task with --task",
            path=path,
            problems=[raw.problem(f"a gold for {kind}") for kind, raw in first_of.items()],
        )
    raise DataError(
        "cannot tell the task: no gold is surely of one task (a whole number as text, for example, "
        "could be a count or an expression, a letter an option or an expression). "
        f"Name it with --task, one of {', '.join(TASKS)}",
        path=path,
    )
