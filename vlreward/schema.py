"""`Schema`: one way in which a data set writes a row, and tools to read its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlreward._text import short

__all__ = [
    "IMAGE_KEYS",
    "OPTION_KEYS",
    "SENTENCE",
    "Fields",
    "Schema",
    "expression_in",
    "has_options",
    "rest_of",
    "row_id",
    "row_size",
    "text_at",
    "text_of_id",
]


SENTENCE = "Please provide the bounding box coordinate of the region this sentence describes: "
"""What stands before the expression in the `problem` of the processed RefCOCO files."""
OPTION_KEYS = ("options", "choices")
"""Keys under which the options of a question stand."""
IMAGE_KEYS = ("images", "image", "image_path")
"""Keys under which images stand, the first that has one counts."""


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
    """The image as the row has it: a path, bytes, base64, a data URI, an address, an object with
    `bytes` or `path`, or a list of these where a row has several."""
    image_index: Any = None
    """Which of several images the gold lies in, from 0, if the row says."""
    gold_frame: Any = None
    """Frame of the gold, if a column of its own says it."""
    id: str | None = None
    """The row's own id, if it has one."""
    image_size: tuple[Any, Any] | None = None
    """(width, height), if the row says."""
    metadata: dict[str, Any] | None = None
    """Every key that is not read into another field."""
    task: str | None = None
    """Task of this row, where rows of one file belong to several."""


def _always(_row: Mapping[str, Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Schema:
    """One way to write a row. A task declares those that are always its own."""

    name: str
    """Name to select it by."""
    keys: tuple[str, ...]
    """Keys that every row must have."""
    read: Callable[[Mapping[str, Any]], Fields]
    """Reads one row that has the keys; raises ValueError with what was expected and found."""
    fits: Callable[[Mapping[str, Any]], bool] = _always
    """Whether a row that has the keys is of this schema; no row fits two."""
    typed: bool = False
    """Whether numbers are written as numbers, so that a text of digits is a text."""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Columns by what is read from them (`gold`, `question`, `image` ...), as far as that is not
    decided row by row; `a.b` is the field `b` of the object `a`."""
    gold_at: str = "ground_truth"
    """Column in which the trainer that reads such rows hands the gold to its rewards."""
    gold_named: bool = False
    """Whether the user named the column of the gold: no envelope elsewhere replaces it."""

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this schema: it has the keys, and fits."""
        return all(key in row for key in self.keys) and self.fits(row)


def text_at(row: Mapping[str, Any], key: str) -> str:
    """The text under a key.

    Raises:
        ValueError: If it is no text, or blank.
    """
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key!r}: expected a text, got {short(value, 80)}")
    return value


def rest_of(row: Mapping[str, Any], *used: str) -> dict[str, Any]:
    """The row without the keys that were used."""
    return {k: v for k, v in row.items() if k not in used}


def text_of_id(value: Any) -> str:
    """An id as a text; a whole number that a table with gaps made a fraction is whole again."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


def row_id(row: Mapping[str, Any]) -> str | None:
    """The row's own `id`, if it has one.

    Raises:
        ValueError: If it is neither a text nor a whole number.
    """
    value = row.get("id")
    if value is None:
        return None
    text = text_of_id(value)
    if not isinstance(value, str) and not text.removeprefix("-").isdecimal():
        raise ValueError(f"'id': expected a text or a whole number, got {short(value, 80)}")
    return text


def row_size(row: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """(`width`, `height`) of a row, None if it has neither.

    Raises:
        ValueError: If it has only one of them.
    """
    width, height = row.get("width"), row.get("height")
    if (width is None) != (height is None):
        raise ValueError(f"expected both width and height, got width={width!r}, height={height!r}")
    return None if width is None else (_whole(width), _whole(height))


def _whole(value: Any) -> Any:
    """A whole number that is written as a text, as a number."""
    text = value.removesuffix(".0") if isinstance(value, str) else ""  # as tables with gaps have it
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else value


def has_options(row: Any) -> bool:
    """Whether a row, or a gold, has the options of a question."""
    return isinstance(row, Mapping) and any(row.get(key) for key in OPTION_KEYS)


def expression_in(question: str) -> str | None:
    """The expression that follows `SENTENCE` in a question, None if it does not begin so."""
    if question.startswith(SENTENCE):
        return question[len(SENTENCE) :].strip() or None
    return None
