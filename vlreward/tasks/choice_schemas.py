"""How published files of visual mathematics write their rows, some choices and some expressions.

Each row says its task: what has options is a choice, the rest an expression.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vlreward._text import short
from vlreward.golds import literal
from vlreward.parsers.choice import plain_option
from vlreward.schema import (
    IMAGE_KEYS,
    OPTION_KEYS,
    Fields,
    Schema,
    has_options,
    rest_of,
    row_id,
    text_at,
    text_of_id,
)

__all__ = ["CHOICE_SCHEMAS", "MOST_OPTIONS", "OPTION_PREFIX", "option_texts"]

MOST_OPTIONS = len(string.ascii_uppercase)
"""Options that have a letter."""
OPTION_PREFIX = re.compile(r"\(?([A-Z])[.):]\s*")
"""A letter before an option."""

_CHOICE, _EXPRESSION = "choice", "geometry"
_LETTER = re.compile(r"[A-Z]\Z")
_LISTED = re.compile(r"(?:^|\s)\(?A[).:][^\n]{0,999}\n?[^\n]{0,999}?(?:^|\s)\(?B[).:]", re.M)
"""Options that stand in the question already."""
_IMAGE_TAG = re.compile(r"<image\d*>\s*")
_OPTION = re.compile(r"(?:\A|\n)[^\S\n]*([A-Z])[.:]\s*")


def option_texts(listed: Any) -> tuple[str, ...]:
    """Options as texts, without the letters that may stand before them.

    Raises:
        ValueError: If they are no list, and no object by letters without a gap, or too many.

    Example:
        >>> option_texts(["A. red", "B. blue"]), option_texts({"A": 1, "B": 2.5})
        (('red', 'blue'), ('1', '2.5'))
    """
    if isinstance(listed, dict):
        keys = list(string.ascii_uppercase[: len(listed)])
        if sorted(listed) != keys:
            raise ValueError(f"expected options A, B, ... without a gap, got {short(listed, 120)}")
        listed = [listed[key] for key in keys]
    if not isinstance(listed, (list, tuple)):
        raise ValueError(
            f'expected a list of options, as ["red", "blue"], got {short(listed, 120)}'
        )
    if len(listed) > MOST_OPTIONS:
        raise ValueError(f"expected at most {MOST_OPTIONS} options, got {len(listed)}")
    texts = [str(option).strip() for option in listed]
    prefixes = [OPTION_PREFIX.match(text) for text in texts]
    if all(m and m[1] == letter for m, letter in zip(prefixes, string.ascii_uppercase)):
        texts = [text[m.end() :] for text, m in zip(texts, prefixes) if m]  # "A. red", "B. blue"
    return tuple(texts)


def _with_options(question: str, options: Sequence[str]) -> str:
    lines = (f"({letter}) {text}" for letter, text in zip(string.ascii_uppercase, options))
    return "\n".join([question, *lines])


def _choice(answer: str, options: Sequence[str]) -> dict[str, Any]:
    """The gold of an answer that is the content of an option."""
    same = [i for i, option in enumerate(options) if plain_option(option) == plain_option(answer)]
    if not same:
        wanted = f"expected the answer, as letter or text, to be one of {short(options)}"
        raise ValueError(f"{wanted}, got {answer!r}")
    return {"letters": [string.ascii_uppercase[same[0]]], "options": list(options)}


def _read_mathvista(row: Mapping[str, Any]) -> Fields:
    options, answer = row["choices"], text_at(row, "answer")
    question = text_at(row, "query") if row.get("query") else text_at(row, "question")
    if options and not row.get("query"):
        question = _with_options(question, options)
    return Fields(
        gold=_choice(answer, options) if options else answer,
        task=_CHOICE if options else _EXPRESSION,
        question=question,
        image=row.get("decoded_image") or row["image"],
        id=str(row["pid"]),
        metadata=rest_of(row, "pid", "image", "decoded_image", "query", "answer", "choices"),
    )


def _read_mathverse(row: Mapping[str, Any]) -> Fields:
    question, answer = text_at(row, "question"), text_at(row, "answer").strip()
    chosen = row["question_type"] == "multi-choice"
    gold: Any = answer
    if chosen:
        _, _, listed = question.partition("Choices:")
        parts = _OPTION.split(listed)
        options = [text.strip() for text in parts[2::2]]
        lettered = parts[1::2] == list(string.ascii_uppercase[: len(options)])
        gold = {"letters": [answer], **({"options": options} if options and lettered else {})}
    return Fields(
        gold=gold,
        task=_CHOICE if chosen else _EXPRESSION,
        question=question,
        image=row["image"],
        id=str(row["sample_index"]),
        metadata=rest_of(row, "sample_index", "image", "question", "answer"),
    )


def _read_math_vision(row: Mapping[str, Any]) -> Fields:
    options, answer = row["options"], text_at(row, "answer").strip()
    question = _IMAGE_TAG.sub("", text_at(row, "question")).strip()
    # Where the options are pictures, they are written as the letters alone.
    pictures = [str(option) for option in options] == list(string.ascii_uppercase[: len(options)])
    gold: Any = answer
    if options:
        question = question if pictures else _with_options(question, options)
        known = {} if pictures else {"options": list(options)}
        gold = {"letters": [answer], **known} if _LETTER.match(answer) else _choice(answer, options)
    return Fields(
        gold=gold,
        task=_CHOICE if options else _EXPRESSION,
        question=question,
        image=row.get("decoded_image") or row["image"],
        id=str(row["id"]),
        metadata=rest_of(row, "id", "image", "decoded_image", "question", "answer", "solution"),
    )


def _read_geometry3k_choices(row: Mapping[str, Any]) -> Fields:
    """Geometry3K as Inter-GPS published it: four choices, the answer a letter."""
    options = [str(choice) for choice in row["choices"]]
    return Fields(
        gold={"letters": [text_at(row, "answer")], "options": options},
        task=_CHOICE,
        question=_with_options(text_at(row, "problem_text"), options),
        image=row["image"] if "image" in row else f"{row['id']}/img_diagram.png",
        id=str(row["id"]),
        metadata=rest_of(row, "id", "image", "problem_text", "choices", "answer"),
    )


_OF_KIT = ("index", "image", "image_path", "question", "hint", "answer")


def _read_vlmevalkit(row: Mapping[str, Any]) -> Fields:
    """VLMEvalKit's tables of choices: an option in each of the columns A, B ..., some empty."""
    listed = [row.get(letter) for letter in string.ascii_uppercase]
    options = [str(option) for option in listed if option not in (None, "")]
    if listed[len(options) :] != [None] * (len(listed) - len(options)):
        raise ValueError(f"expected options A, B, ... without a gap, got {short(listed, 120)}")
    hint, question = row.get("hint"), text_at(row, "question")
    return Fields(
        gold={"letters": [text_at(row, "answer").strip()], "options": options},
        task=_CHOICE,
        question=_with_options(f"{hint}\n{question}" if hint else question, options),
        image=row.get("image") or row.get("image_path"),
        id=text_of_id(row["index"]),
        metadata=rest_of(row, *_OF_KIT, *string.ascii_uppercase),
    )


def _is_lettered(row: Mapping[str, Any]) -> bool:
    return bool(_LETTER.match(str(row["answer"]).strip())) and not has_options(row)


def _read_options(key: str, row: Mapping[str, Any]) -> Fields:
    """A question, its options, and which of them is right: its letter or its text."""
    listed, answer = literal(row[key]), row["answer"]
    options = list(option_texts(listed))
    if isinstance(answer, (int, float)) and not any(type(o) is type(answer) for o in listed):
        raise ValueError(
            f"'answer': expected the letter of an option or its text, got {answer!r}: a number may "
            "count from 0 or from 1"
        )
    text, question = str(answer).strip(), text_at(row, "question")
    lettered = _LETTER.match(text) and text not in options
    return Fields(
        gold={"letters": [text], "options": options} if lettered else _choice(text, options),
        task=_CHOICE,
        question=question if _LISTED.search(question) else _with_options(question, options),
        image=next((row[k] for k in IMAGE_KEYS if row.get(k)), None),
        id=row_id(row),
        metadata=rest_of(row, "id", *IMAGE_KEYS, "question", "answer", key),
    )


def _of_no_publisher(row: Mapping[str, Any]) -> bool:
    return has_options(row) and not any(schema.takes(row) for schema in _PUBLISHED)


_PUBLISHED = (
    Schema("mathvista", ("pid", "question", "choices", "answer", "image"), _read_mathvista),
    Schema("mathverse", ("sample_index", "question_type", "question", "answer"), _read_mathverse),
    Schema("math-vision", ("id", "question", "options", "answer", "level"), _read_math_vision),
    Schema("geometry3k-choices", ("problem_text", "choices", "answer"), _read_geometry3k_choices),
    Schema("vlmevalkit", ("index", "question", "answer", "A", "B"), _read_vlmevalkit, _is_lettered),
)
CHOICE_SCHEMAS = (
    *_PUBLISHED,
    *(
        Schema(
            f"question-{key}",
            ("question", key, "answer"),
            partial(_read_options, key),
            _of_no_publisher,
            columns={"gold": "answer", "question": "question"},
        )
        for key in OPTION_KEYS
    ),
)
