"""How published files of visual mathematics write their rows, some choices and some expressions.

Each row says its task: what has options is a choice, the rest an expression.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from vlreward._text import short
from vlreward.parsers.choice import plain_option
from vlreward.schema import Fields, Schema, rest_of, text_at

__all__ = ["CHOICE_SCHEMAS"]

_CHOICE, _EXPRESSION = "choice", "geometry"
_LETTER = re.compile(r"[A-Z]\Z")
_IMAGE_TAG = re.compile(r"<image\d*>\s*")
_OPTION = re.compile(r"(?:\A|\n)[^\S\n]*([A-Z])[.:]\s*")


def _with_options(question: str, options: Sequence[str]) -> str:
    lines = (f"({letter}) {text}" for letter, text in zip(string.ascii_uppercase, options))
    return "\n".join([question, *lines])


def _choice(answer: str, options: Sequence[str]) -> dict[str, Any]:
    """The gold of an answer that is the content of an option."""
    same = [i for i, option in enumerate(options) if plain_option(option) == plain_option(answer)]
    if not same:
        raise ValueError(f"expected the answer to be one of {short(options)}, got {answer!r}")
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


CHOICE_SCHEMAS = (
    Schema("mathvista", ("pid", "question", "choices", "answer", "image"), _read_mathvista),
    Schema("mathverse", ("sample_index", "question_type", "question", "answer"), _read_mathverse),
    Schema("math-vision", ("id", "question", "options", "answer", "level"), _read_math_vision),
    Schema("geometry3k-choices", ("problem_text", "choices", "answer"), _read_geometry3k_choices),
)
