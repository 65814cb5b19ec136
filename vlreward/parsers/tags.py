"""Where the answer stands in a completion: `<answer>…</answer>`, or the whole output.

Every function here is linear in the text and cannot be made to backtrack. Tags are the exact,
lower-case `<think>`, `</think>`, `<answer>` and `</answer>`; with attributes, white space inside or
other case they are ordinary text.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = [
    "MAX_CHARS",
    "Several",
    "Where",
    "answer_region",
    "check_choices",
    "excerpt",
    "think_answer_structure",
    "too_long",
]

MAX_CHARS = 131_072
"""Longest completion that parsers read, by default: some 32,000 tokens."""

Where = Literal["tag", "whole"]
"""`tag`: the answer is what `<answer>` holds. `whole`: it is the whole output."""
Several = Literal["fail", "first", "last"]
"""What to do with several different answers: refuse them, or take the first or the last."""

_OPEN, _CLOSE = "<answer>", "</answer>"
NO_TAG, _UNCLOSED = (
    ParseFailure(
        FailureCode.NO_ANSWER, f"expected an answer between {_OPEN} and {_CLOSE}, got {found}"
    )
    for found in (f"no {_OPEN}", f"an {_OPEN} that is never closed")
)
# The usual case, without any other "<". Neighbouring parts share no character: no backtracking.
PLAIN_STRUCTURE = r"\s*<think>[^<]*</think>\s*<answer>%s</answer>\s*\Z"
_PLAIN_STRUCTURE = re.compile(PLAIN_STRUCTURE % "[^<]*")
_MAX_BLOCKS = 1_000


def answer_region(
    text: str, where: Where = "tag", several: Several = "fail"
) -> Parsed[str] | ParseFailure:
    """The text that holds the answer, without white space at its ends.

    A closed block is a `</answer>` and the nearest `<answer>` before it with no other `</answer>`
    between them. A `<answer>` that is never closed, or that another one follows before the next
    `</answer>`, is ordinary text (models quote the tag while they think), and so is a `</answer>`
    that nothing opened. Blocks whose contents are equal after stripping count as one answer.

    Args:
        text: The completion.
        where: `tag` for the contents of a closed block, `whole` for the whole text.
        several: What to do if closed blocks hold different contents: `fail` ends in
            `multiple_answers`, `first` and `last` choose by position.

    Returns:
        The contents and their span, or a failure: `no_answer` without a closed block,
        `empty_answer` if it (or the whole text) holds only white space, `multiple_answers`, or
        `too_complex` for 1,000 blocks or more under `fail`. Size caps are the caller's.

    Example:
        >>> answer_region("<think>2 + 2</think><answer> 4 </answer>")
        Parsed(value='4', span=(29, 30))
        >>> answer_region("<answer>4</answer> or <answer>5</answer>").code.value
        'multiple_answers'
    """
    if where == "whole":
        return _stripped(text, 0, len(text))
    if several == "first":
        close = text.find(_CLOSE)
        while close >= 0:
            start = text.rfind(_OPEN, 0, close)
            if start >= 0:
                return _stripped(text, start + len(_OPEN), close)
            # Nothing opens before this one, so the next block opens after it.
            start = text.find(_OPEN, close)
            close = text.find(_CLOSE, start) if start >= 0 else -1
        return _no_answer(text)
    return _last_block(text, only=several == "fail")


def think_answer_structure(text: str) -> bool:
    """Whether the text is one `<think>…</think>` and then one `<answer>…</answer>`.

    Outside of them there is only white space, and each of the four tags occurs exactly once.
    The contents may be empty: what they must hold is the parser's and other terms' business. A text
    of more than `MAX_CHARS` characters is refused unread, as parsers do.

    Example:
        >>> think_answer_structure("<think>two and two</think>\\n<answer>4</answer>")
        True
        >>> think_answer_structure("<think>two</think> so <answer>4</answer>")
        False
    """
    if len(text) > MAX_CHARS:
        return False
    if _PLAIN_STRUCTURE.match(text):
        return True
    text = text.strip()
    if not (text.startswith("<think>") and text.endswith(_CLOSE)):
        return False
    if any(text.count(tag) != 1 for tag in ("<think>", "</think>", _OPEN, _CLOSE)):
        return False
    end, start = text.find("</think>"), text.find(_OPEN)
    return end < start and not text[end + len("</think>") : start].strip()


def excerpt(text: str) -> str:
    """The beginning of a text with quotes, for a failure's detail; at most 80 characters."""
    shown = repr(text[:60])
    return shown if len(shown) <= 80 else shown[:77] + "..."


def too_long(limit: int, got: int) -> ParseFailure:
    """The failure of a completion over a parser's size cap."""
    return ParseFailure(FailureCode.TOO_LONG, f"expected at most {limit} characters, got {got}")


def check_choices(parser: object, **choices: Any) -> None:
    """Check that each named field of a parser holds one of its literal values.

    Raises:
        ValueError: If one does not; names the field and its values.
    """
    for name, literal in choices.items():
        value = getattr(parser, name)
        if value not in get_args(literal):
            raise ValueError(f"expected {name} to be one of {get_args(literal)}, got {value!r}")


def _last_block(text: str, only: bool) -> Parsed[str] | ParseFailure:
    """The last closed block; with `only`, a failure if an earlier one holds something else."""
    found: Parsed[str] | ParseFailure | None = None
    content = ""
    bound = len(text)
    for _ in range(_MAX_BLOCKS):
        start = text.rfind(_OPEN, 0, max(text.rfind(_CLOSE, 0, bound), 0))
        if start < 0:
            return found or _no_answer(text)
        bound, start = start, start + len(_OPEN)
        end = text.find(_CLOSE, start)
        if found is None:
            found = _stripped(text, start, end)
            if not only:
                return found
            content = text[start:end].strip()
        elif text[start:end].strip() != content:
            return ParseFailure(
                FailureCode.MULTIPLE_ANSWERS,
                "expected one answer, got several <answer> blocks that differ",
                (start, end),
            )
    return ParseFailure(
        FailureCode.TOO_COMPLEX, f"expected fewer than {_MAX_BLOCKS} <answer> blocks"
    )


def _stripped(text: str, start: int, end: int) -> Parsed[str] | ParseFailure:
    content = text[start:end]
    value = content.strip()
    if not value:
        return ParseFailure(
            FailureCode.EMPTY_ANSWER, "expected an answer, got nothing", (start, end)
        )
    start += len(content) - len(content.lstrip())
    return Parsed(value, (start, start + len(value)))


def _no_answer(text: str) -> ParseFailure:
    return _UNCLOSED if _OPEN in text else NO_TAG
