"""The schemas of published data sets, and how a row of each becomes a sample.

A schema is recognised from the keys of the first row; rows that follow must have the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vlreward.data.columns import proposal
from vlreward.data.errors import UnknownSchemaError
from vlreward.data.native import GENERAL
from vlreward.errors import OptionError
from vlreward.registry import unknown_name
from vlreward.schema import Fields, Schema

__all__ = ["Fields", "Schema", "all_schemas", "named_schema", "schema_of", "task_of_schema"]


def schema_of(row: Mapping[str, Any], *, path: str | Path | None = None) -> Schema:
    """Recognise the schema of a row by its keys.

    Raises:
        UnknownSchemaError: If none or several fit; lists the keys found and the schemas known.
    """
    found = [s for s in all_schemas().values() if all(k in row for k in s.keys) and s.fits(row)]
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
    from vlreward.tasks import TASKS

    own = (schema for name in TASKS for schema in TASKS.get(name).schemas)
    return {schema.name: schema for schema in (*own, *GENERAL)}


def task_of_schema(schema: Schema) -> str | None:
    """Name of the task that declares the schema; None for the general ones."""
    from vlreward.tasks import TASKS

    return next((name for name in TASKS if schema in TASKS.get(name).schemas), None)
