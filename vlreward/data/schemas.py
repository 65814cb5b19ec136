"""The schemas of published data sets, and how a row of each becomes a sample.

A schema is recognised from the keys of the first row; rows that follow must have the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vlreward._text import short
from vlreward.data.errors import UnknownSchemaError
from vlreward.registry import unknown_name
from vlreward.schema import Fields, Schema, expression_in, rest_of, row_id, row_size, text_at

__all__ = ["Fields", "Schema", "all_schemas", "named_schema", "schema_of", "task_of_schema"]


def schema_of(row: Mapping[str, Any], *, path: str | Path | None = None) -> Schema:
    """Recognise the schema of a row by its keys.

    Raises:
        UnknownSchemaError: If none or several fit; lists the keys found and the schemas known.
    """
    found = [s for s in all_schemas().values() if all(k in row for k in s.keys) and s.fits(row)]
    own = [schema for schema in found if task_of_schema(schema)]
    # A task's own schema comes before a general one that it is a case of.
    found = own + [
        schema
        for schema in found
        if schema not in own and not any(set(case.keys) <= set(schema.keys) for case in own)
    ]
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{s.name} ({', '.join(s.keys)})" for s in all_schemas().values())
    which = "no known schema" if not found else f"the schemas {[s.name for s in found]}"
    raise UnknownSchemaError(
        f"expected rows of one known schema, got the keys {sorted(map(str, row))}, which fit "
        f"{which}. Known schemas and the keys that they need: {known}. Name one with schema=..., "
        "or rename the keys",
        path=path,
    )


def named_schema(name: str | None) -> Schema | None:
    """The schema of a name; None for None, which asks for recognition.

    Raises:
        ValueError: If there is none of that name; lists the known ones.
    """
    if name is None:
        return None
    if name not in all_schemas():
        raise ValueError(unknown_name("schema", name, all_schemas()))
    return all_schemas()[name]


def _read_tagged(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["solution"],
        question=text_at(row, "problem"),
        image=row["image"],
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, "id", "image", "problem", "solution", "width", "height"),
    )


def _read_r1v(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["ground_truth"],
        question=text_at(row, "question"),
        image=row["image_path"],
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, "id", "image_path", "question", "ground_truth", "width", "height"),
    )


_IMAGE_TAG = re.compile(r"<image>[ \t]*\n?")


def _read_conversations(row: Mapping[str, Any]) -> Fields:
    turns = row["conversations"]
    roles = (
        [turn.get("from") if isinstance(turn, dict) else None for turn in turns]
        if isinstance(turns, list)
        else None
    )
    if roles != ["human", "gpt"]:
        raise ValueError(
            "'conversations': expected a turn from 'human' and then one from 'gpt', got "
            f"{short(turns if roles is None else roles)}"
        )
    human, gpt = turns
    *before, last = _IMAGE_TAG.split(text_at(human, "value") if "value" in human else "")
    question = "".join([*map(str.rstrip, before), last]).strip()
    if not question:
        raise ValueError(f"'conversations': expected a question, got {short(human)}")
    if "value" not in gpt:
        raise ValueError(f"'conversations': expected the gold as 'value', got {short(gpt)}")
    image = row.get("image")
    if isinstance(image, list):
        if len(image) != 1:
            raise ValueError(
                f"'image': expected one image per row, got {len(image)}: {short(image)}"
            )
        image = image[0]
    return Fields(
        gold=gpt["value"],
        question=question,
        expression=expression_in(question),
        image=image,
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, "id", "image", "conversations", "width", "height"),
    )


_GENERAL = (
    Schema("problem-solution", ("image", "problem", "solution"), _read_tagged),
    Schema("r1-v", ("image_path", "question", "ground_truth"), _read_r1v, typed=True),
    Schema("conversations", ("conversations",), _read_conversations),
)


@cache
def all_schemas() -> Mapping[str, Schema]:
    """The known schemas by name: those that tasks declare, then the general ones.

    The general ones are `problem-solution` (CLEVR-70k, GEOQA_R1V_Train_8K), `r1-v` (the R1-V test
    prompts) and `conversations` (VLM-R1's training files).
    """
    from vlreward.tasks import TASKS

    own = (schema for name in TASKS for schema in TASKS.get(name).schemas)
    return {schema.name: schema for schema in (*own, *_GENERAL)}


def task_of_schema(schema: Schema) -> str | None:
    """Name of the task that declares the schema; None for the general ones."""
    from vlreward.tasks import TASKS

    return next((name for name in TASKS if schema in TASKS.get(name).schemas), None)
