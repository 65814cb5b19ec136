"""The schemas of data sets: which one rows have, what it reads of a row, and for which task.

A schema is recognised from the keys of the first row; rows that follow must have the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vlreward._text import short
from vlreward.data.columns import proposal
from vlreward.data.errors import BadRow, DataError, RowProblem, UnknownSchemaError
from vlreward.data.native import GENERAL
from vlreward.data.rows import RawRow
from vlreward.errors import OptionError
from vlreward.golds import claimant, is_envelope
from vlreward.registry import unknown_name
from vlreward.schema import OPTION_KEYS, Fields, Schema, has_options
from vlreward.tasks import TASKS
from vlreward.turns import IMAGE_TAG, shown_question

__all__ = [
    "all_schemas", "fields_of", "named_schema", "schema_of", "task_of_rows", "task_of_schema",
]  # fmt: skip

_STAND_INS = ("<bbox>", "<ref-object>")
"""What stands for a box, or its name, in ms-swift's texts."""
_PACKED = "ground_truth"
"""Where envelopes stand in rows of no trainer that looks elsewhere."""


def schema_of(row: Mapping[str, Any], *, path: str | Path | None = None) -> Schema:
    """Recognise the schema of a row by its keys.

    Raises:
        UnknownSchemaError: If none or several fit; lists the keys found and the schemas known.
    """
    found = [schema for schema in all_schemas().values() if schema.takes(row)]
    own = [schema for schema in found if task_of_schema(schema)]
    # A task's own schema comes before a general one that reads the gold from the same column.
    found = own + [
        schema
        for schema in found
        if schema not in own and not any(schema.columns["gold"] in case.keys for case in own)
    ]
    if len(found) == 1:
        return found[0]
    keys = f"got the keys {', '.join(sorted(map(str, row)))}"
    if found:
        listed = "; ".join(
            f"{s.name} (gold in {s.columns.get('gold', 'its own form')})" for s in found
        )
        raise UnknownSchemaError(
            f"expected rows of one known schema, {keys}, which several fit: {listed}. Name one "
            f"with --schema {found[0].name}",
            path=path,
        )
    known = "; ".join(f"{s.name} ({', '.join(s.keys)})" for s in all_schemas().values())
    raise UnknownSchemaError(
        f"expected rows of one known schema, {keys}, which fit none. Name the columns: "
        f"--columns {proposal(row)} (known schemas and the keys that they need: {known})",
        path=path,
    )


def named_schema(name: str | None) -> Schema | None:
    """The schema of a name; None for None, which asks for recognition.

    Raises:
        OptionError: If there is none of that name; lists the known ones.
    """
    if name is None:
        return None
    if name not in all_schemas():
        raise OptionError(str(unknown_name("schema", name, all_schemas())))
    return all_schemas()[name]


@cache
def all_schemas() -> Mapping[str, Schema]:
    """The known schemas by name: those that tasks declare, then the general ones.

    The general ones are in `vlreward.data.native`.
    """
    own = (schema for name in TASKS for schema in TASKS.get(name).schemas)
    return {schema.name: schema for schema in (*own, *GENERAL)}


def task_of_schema(schema: Schema) -> str | None:
    """Name of the task that declares the schema; None for the general ones."""
    return next((name for name in TASKS if schema in TASKS.get(name).schemas), None)


def fields_of(raw: RawRow, schema: Schema) -> Fields:
    """Read one row by a schema.

    Raises:
        BadRow: If it is no object, lacks a key, has a value of another kind, or asks with tokens
            by which models tell images and turns.
    """
    if not isinstance(raw.value, dict):
        raise BadRow(f"expected an object, got {short(raw.value)}")
    if lacking := [key for key in schema.keys if key not in raw.value]:
        mixed = "; a .yaml mixture reads files each by its own columns" if raw.place else ""
        raise BadRow(
            f"expected the keys {', '.join(schema.keys)} of schema {schema.name!r}, got no "
            f"{', '.join(lacking)} among {sorted(map(str, raw.value))}{mixed}"
        )
    try:
        fields = schema.read(raw.value)
        # The envelope that `vlreward pack` added beside the gold knows its frame.
        packed = None if schema.gold_named else raw.value.get(_PACKED)
        if isinstance(packed, str) and is_envelope(packed):
            fields.gold = packed
            (fields.metadata or {}).pop(_PACKED, None)
        if isinstance(fields.gold, str) and any(name in fields.gold for name in _STAND_INS):
            raise BadRow(
                f"expected a gold, got {short(fields.gold, 60)}, which stands for what is in "
                "'objects': --columns gold=objects reads the boxes there as the gold",
                "bad_gold",
            )
        fields.question = _shown(fields.question, fields.image)
        fields.expression = fields.expression and _shown(fields.expression, None)
        return fields
    except BadRow:
        raise
    except ValueError as error:
        raise BadRow(str(error)) from None


def _shown(text: str, image: Any) -> str:
    return shown_question(text, image) if IMAGE_TAG in text or "<|" in text else text


def task_of_rows(schema: Schema, rows: Iterable[RawRow], path: str | Path) -> str:
    """The one task that all golds can belong to.

    Raises:
        DataError: If they belong to several, or if every gold could be a count or an expression.
    """
    first_of: dict[str, RawRow] = {}
    bad: list[RowProblem] = []
    for raw in rows:
        try:
            gold = fields_of(raw, schema).gold
            kind = claimant(gold, typed=schema.typed)
            if kind is None and has_options(raw.value):  # a letter, and what it stands for
                options = {key: raw.value[key] for key in OPTION_KEYS if raw.value.get(key)}
                kind = claimant({"answer": gold, **options}, typed=schema.typed)
        except ValueError as error:
            bad.append(raw.problem(str(error)))  # said when it is read, if any is
            continue
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
        problems=bad,
    )
