"""`--columns`: which column of a row is read as what, for rows of a schema that nobody declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlreward._text import short
from vlreward.errors import OptionError
from vlreward.registry import unknown_name
from vlreward.schema import Fields, Schema, expression_in, row_id, row_size
from vlreward.turns import read_chat, shown_question, with_names

__all__ = ["READ_AS", "at", "fields_by", "found", "has", "mapped", "parse_columns", "proposal"]

READ_AS = (
    "gold", "question", "image", "image_index", "gold_frame", "id", "width", "height", "expression",
    "task",
)  # fmt: skip
"""What a column can be read as."""
_FRAME = "--columns frame={0}: which frame? Of the gold's coordinates: gold_frame={0}"
_READ = ("id", "width", "height", "image_index")
"""Columns that are read whatever is named."""
_NONE = object()


def parse_columns(
    columns: str | Mapping[str, str] | None, fields: Sequence[str] = READ_AS
) -> dict[str, str]:
    """What is read from which column: `gold=answer,image=images,question=problem`.

    Args:
        fields: What a column can be read as.

    Raises:
        OptionError: If it is no such list, or names something that nothing is read as.

    Example:
        >>> parse_columns("gold=answer, image=images")
        {'gold': 'answer', 'image': 'images'}
    """
    if columns is None:
        return {}
    if isinstance(columns, Mapping):
        pairs = list(columns.items())
    else:
        named = [part.partition("=") for part in columns.split(",") if part.strip()]
        if not all(equals and column.strip() for _, equals, column in named):
            raise OptionError(f"--columns: expected FIELD=COLUMN,FIELD=COLUMN ..., got {columns!r}")
        pairs = [(name.strip(), column.strip()) for name, _, column in named]
    for name, column in pairs:
        if name == "frame":
            raise OptionError(_FRAME.format(column))
        if name not in fields:
            raise OptionError(f"--columns: {unknown_name('field', name, fields)}")
    if len(dict(pairs)) < len(pairs):
        raise OptionError(f"--columns: expected each field once, got {columns!r}")
    return dict(pairs)


def found(row: Mapping[str, Any], column: str, default: Any = None) -> Any:
    """What stands in a column, `default` if there is none; `a.b` is the field `b` of `a`."""
    if column in row:
        return row[column]
    value: Any = row
    for step in column.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return default
        value = value[step]
    return value


def has(row: Mapping[str, Any], column: str) -> bool:
    """Whether there is a column, even where nothing stands in it."""
    return found(row, column, _NONE) is not _NONE


def at(row: Mapping[str, Any], column: str) -> Any:
    """What stands in a column.

    Raises:
        ValueError: If there is no such column; names those that there are.
    """
    value = found(row, column, _NONE)
    if value is _NONE:
        outer, dot, last = column.rpartition(".")
        within = at(row, outer) if dot else row
        keys = sorted(map(str, within)) if isinstance(within, Mapping) else short(within, 80)
        raise ValueError(f"expected a column {column!r}, got no {last!r} among {keys}")
    return value


def mapped(columns: Mapping[str, str], base: Schema | None) -> Schema:
    """The schema of rows whose columns are named.

    Args:
        base: What reads all that is not named; not asked where gold and question are named.
    """
    if "gold" in columns and "question" in columns:
        base = None
    elif base is None:
        lacking = [name for name in ("gold", "question") if name not in columns]
        raise OptionError(
            f"--columns: expected also {' and '.join(f'{name}=COLUMN' for name in lacking)}, "
            "since the rows fit no known schema"
        )

    read = _Mapped(dict(columns), base)
    if base is not None:
        both = {**base.columns, **columns}
        return replace(base, read=read, columns=both, gold_named="gold" in columns)
    at_top = {column: None for name, column in columns.items() if name in ("gold", "question")}
    keys = tuple(column.split(".")[0] for column in at_top)
    return Schema("columns", keys, read, columns=columns, gold_at=columns["gold"], gold_named=True)


@dataclass(frozen=True, slots=True)
class _Mapped:
    columns: Mapping[str, str]
    base: Schema | None

    def __call__(self, row: Mapping[str, Any]) -> Fields:
        if self.base is None:
            return fields_by(row, self.columns)
        read = self.base.read(row)
        # A column in whose place another one is read is one that nothing is read from.
        replaced = {
            column: row[column]
            for name, column in self.base.columns.items()
            if name in self.columns and column in row
        }
        read.metadata = {**replaced, **(read.metadata or {})}
        return fields_by(row, self.columns, read)


def fields_by(
    row: Mapping[str, Any], columns: Mapping[str, str], read: Fields | None = None
) -> Fields:
    """One row by its columns.

    Args:
        read: What a schema has read already, if anything; columns win, and are written into it.

    Raises:
        ValueError: If a column is missing, or holds nothing of the kind.
    """
    fields = read or Fields(gold=None, id=row_id(row), image_size=row_size(row))
    for name, column in columns.items():
        value = at(row, column)
        if name in ("gold", "gold_frame", "image_index", "task"):
            setattr(fields, name, value)
        elif name == "expression" and value is not None:
            fields.expression = str(value)
        elif name == "id":
            fields.id = row_id({"id": value})
    if "width" in columns or "height" in columns:
        fields.image_size = row_size(
            {side: at(row, columns.get(side, side)) for side in ("width", "height")}
        )
    if "image" in columns:
        fields.image = at(row, columns["image"])
    system = None
    if "question" in columns:
        column, value = columns["question"], at(row, columns["question"])
        try:
            chat = read_chat(value)
        except ValueError as error:
            raise ValueError(f"{column!r}: {error}") from None
        if column == columns.get("gold"):  # the assistant's turn
            if chat.answer is None:
                raise ValueError(f"{column!r}: expected an answer after the question, got none")
            fields.gold = chat.answer
        system = chat.system
        fields.image = chat.images if fields.image is None and chat.images else fields.image
        question = shown_question(chat.question, fields.image)
        fields.question = with_names(question, row.get("objects"))
        fields.expression = fields.expression or expression_in(fields.question)
        if not fields.question:
            raise ValueError(f"{column!r}: expected a question, got none")
    rest = {k: v for k, v in row.items() if k not in _READ} if read is None else read.metadata or {}
    rest = _rest(rest, set(columns.values()))
    fields.metadata = {**rest, **({} if system is None else {"system": system})}
    return fields


def _rest(row: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """The row without the columns that were read, and without objects of which nothing is left."""
    rest = {k: v for k, v in row.items() if k not in used}
    for column in used:
        outer, dot, _ = column.partition(".")
        if dot and isinstance(rest.get(outer), Mapping):
            left = {k: v for k, v in rest[outer].items() if f"{outer}.{k}" not in used}
            rest = {k: left if k == outer else v for k, v in rest.items() if k != outer or left}
    return rest


_GOLD = (
    "solution", "ground_truth", "answer", "gold", "gt_answer", "gt", "label", "target", "truth",
    "correct_answer", "final_answer", "reference", "expected", "bbox_2d", "bbox", "box", "boxes",
    "objects", "annotations", "count", "number", "output", "response", "completion", "answers",
    "labels", "targets",
)  # fmt: skip
_QUESTION = (
    "question", "problem", "prompt", "query", "instruction", "input", "messages", "conversations",
    "text", "expression", "caption", "sentence", "phrase", "referring", "description",
)  # fmt: skip
_IMAGE = (
    "image", "images", "img", "image_path", "img_path", "image_file", "file_name", "picture",
    "photo", "filename", "image_url", "path", "file", "pic", "frame_path",
)  # fmt: skip
_FILE = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def proposal(row: Mapping[str, Any]) -> str:
    """What `--columns` could say for a row, as far as names and kinds of values tell.

    Example:
        >>> proposal({"pic": "a.png", "ask": "How many?", "gt_count": 3})
        'gold=gt_count,image=pic,question=ask'
    """
    flat: dict[str, Any] = {}
    for key, value in row.items():
        inner = value if isinstance(value, Mapping) and not {"bytes", "path"} & set(value) else None
        flat.update({f"{key}.{k}": v for k, v in inner.items()} if inner else {str(key): value})
    left = {key: value for key, value in flat.items() if value is not None and "," not in key}
    found: dict[str, str] = {}

    def choose(name: str, names: tuple[str, ...], fits: Any) -> None:
        def rank(key: str) -> tuple[int, int] | None:
            last = key.rpartition(".")[2].lower()
            if last in names:
                return 0, names.index(last)
            within = [i for i, word in enumerate(names) if len(word) > 2 and word in last]
            return (1, within[0]) if within else None

        ranked = {k: rank(k) for k, v in left.items() if fits(v)}
        best = min((r, k) for k, r in ranked.items() if r) if any(ranked.values()) else None
        if best is not None:
            found[name] = best[1]
            del left[best[1]]

    choose("image", _IMAGE, _like_image)
    if "image" not in found:
        path = next((k for k, v in left.items() if _like_image(v) and _surely_image(v)), None)
        if path is not None:
            found["image"] = path
            del left[path]
    choose("question", _QUESTION, _like_text)
    choose("gold", _GOLD, lambda value: True)
    if "question" not in found:
        texts = {k: v for k, v in left.items() if isinstance(v, str) and " " in v.strip()}
        if texts:
            found["question"] = max(texts, key=lambda k: len(texts[k]))
            del left[found["question"]]
    rest = [k for k in left if k.lower() not in ("id", "index", "split", "source", "dataset")]
    if "gold" not in found and len(rest) == 1:
        found["gold"] = rest[0]
    wanted = {"gold": "COLUMN", **({} if "image" not in found else {"image": ""}), "question": ""}
    return ",".join(f"{name}={found.get(name, 'COLUMN')}" for name in wanted)


def _like_image(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_like_image, value))
    return isinstance(value, (str, bytes)) or (
        isinstance(value, Mapping) and bool({"bytes", "path", "url"} & set(value))
    )


def _surely_image(value: Any) -> bool:
    first = value[0] if isinstance(value, (list, tuple)) else value
    return not isinstance(first, str) or first.lower().endswith(_FILE)


def _like_text(value: Any) -> bool:
    try:
        return bool(read_chat(value).question.strip())
    except ValueError:
        return False
