"""The schemas of published data sets, and how a row of each becomes a sample.

A schema is recognised from the keys of the first row; rows that follow must have the same one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.data.errors import UnknownSchemaError, shown
from vlreward.data.golds import kind_of, untagged
from vlreward.registry import unknown_name

__all__ = ["REC_SENTENCE", "SCHEMAS", "Fields", "Schema", "named_schema", "schema_of"]

REC_SENTENCE = "Please provide the bounding box coordinate of the region this sentence describes: "
"""What stands before the expression in the `problem` of the processed RefCOCO files."""


@dataclass(slots=True)
class Fields:
    """What a schema reads from one row, before the gold is checked."""

    gold: Any
    """The raw gold."""
    question: str = ""
    """The problem text."""
    expression: str | None = None
    """The bare referring expression, if the row has or implies one."""
    image: Any = None
    """Path or name of the image, or the column value of an embedded image."""
    id: str | None = None
    """The row's own id, if it has one."""
    image_size: tuple[Any, Any] | None = None
    """(width, height), if the row says."""
    metadata: dict[str, Any] | None = None
    """Every key that is not read into another field."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One way to write a row."""

    name: str
    """Name to select it by."""
    keys: tuple[str, ...]
    """Keys that every row must have."""
    read: Callable[[Mapping[str, Any]], Fields]
    """Reads one row that has the keys; raises ValueError with what was expected and found."""
    fits: Callable[[Mapping[str, Any]], bool]
    """Whether a row that has the keys is of this schema; no row fits two."""
    task: str | None = None
    """The task that it is always for, or None."""
    task_from_type: bool = False
    """Whether a number means counting and a text means geometry."""


def schema_of(row: Mapping[str, Any], *, path: str | Path | None = None) -> Schema:
    """Recognise the schema of a row by its keys.

    Raises:
        UnknownSchemaError: If none or several fit; lists the keys found and the schemas known.
    """
    found = [s for s in SCHEMAS.values() if all(k in row for k in s.keys) and s.fits(row)]
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{s.name} ({', '.join(s.keys)})" for s in SCHEMAS.values())
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
    if name not in SCHEMAS:
        raise ValueError(unknown_name("schema", name, SCHEMAS))
    return SCHEMAS[name]


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key!r}: expected a text, got {shown(value)}")
    return value


def _rest(row: Mapping[str, Any], *used: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in used}


def _id(row: Mapping[str, Any]) -> str | None:
    value = row.get("id")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"'id': expected a text or a whole number, got {shown(value)}")
    return str(value)


def _size(row: Mapping[str, Any]) -> tuple[Any, Any] | None:
    width, height = row.get("width"), row.get("height")
    if (width is None) != (height is None):
        raise ValueError(f"expected both width and height, got width={width!r}, height={height!r}")
    return None if width is None else (width, height)


def _expression_in(question: str) -> str | None:
    if question.startswith(REC_SENTENCE):
        return question[len(REC_SENTENCE) :].strip() or None
    return None


def _read_rec(row: Mapping[str, Any]) -> Fields:
    caption = _text(row, "normal_caption") if row.get("normal_caption") is not None else None
    question = _text(row, "problem") if row.get("problem") is not None else None
    if question is None:
        if caption is None:
            raise ValueError("expected the key 'problem' or 'normal_caption', got neither")
        question = REC_SENTENCE + caption
    return Fields(
        gold=row["solution"],
        question=question,
        expression=caption if caption is not None else _expression_in(question),
        image=row["image"],
        id=_id(row),
        image_size=_size(row),
        metadata=_rest(
            row, "id", "image", "problem", "normal_caption", "solution", "width", "height"
        ),
    )


def _read_tagged(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["solution"],
        question=_text(row, "problem"),
        image=row["image"],
        id=_id(row),
        image_size=_size(row),
        metadata=_rest(row, "id", "image", "problem", "solution", "width", "height"),
    )


def _read_r1v(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["ground_truth"],
        question=_text(row, "question"),
        image=row["image_path"],
        id=_id(row),
        image_size=_size(row),
        metadata=_rest(row, "id", "image_path", "question", "ground_truth", "width", "height"),
    )


_IMAGE_TAG = re.compile(r"(?:(?<!\s)\s+)?<image>[ \t]*\n?")


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
            f"{shown(turns if roles is None else roles)}"
        )
    human, gpt = turns
    question = _IMAGE_TAG.sub("", _text(human, "value") if "value" in human else "").strip()
    if not question:
        raise ValueError(f"'conversations': expected a question, got {shown(human)}")
    if "value" not in gpt:
        raise ValueError(f"'conversations': expected the gold as 'value', got {shown(gpt)}")
    image = row.get("image")
    if isinstance(image, list):
        if len(image) != 1:
            raise ValueError(
                f"'image': expected one image per row, got {len(image)}: {shown(image)}"
            )
        image = image[0]
    return Fields(
        gold=gpt["value"],
        question=question,
        expression=_expression_in(question),
        image=image,
        id=_id(row),
        image_size=_size(row),
        metadata=_rest(row, "id", "image", "conversations", "width", "height"),
    )


def _is_box_row(row: Mapping[str, Any]) -> bool:
    if "normal_caption" in row:
        return True
    try:
        return "image" in row and kind_of(untagged(row["solution"])) == "rec"
    except ValueError:
        return False


def _always(_row: Mapping[str, Any]) -> bool:
    return True


SCHEMAS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        Schema("rec", ("image", "solution"), _read_rec, _is_box_row, task="rec"),
        Schema(
            "problem-solution",
            ("image", "problem", "solution"),
            _read_tagged,
            lambda row: not _is_box_row(row),
        ),
        Schema(
            "r1-v",
            ("image_path", "question", "ground_truth"),
            _read_r1v,
            _always,
            task_from_type=True,
        ),
        Schema("conversations", ("conversations",), _read_conversations, _always),
    )
}
"""The known schemas by name: `rec` (the processed RefCOCO files), `problem-solution` (CLEVR-70k,
GEOQA_R1V_Train_8K), `r1-v` (the R1-V test prompts), `conversations` (VLM-R1's training files)."""
