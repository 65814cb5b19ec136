r"""The answer text of a completion for problems with a symbolic answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vlreward.parsers.tags import MAX_CHARS, Several, answer_region, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure
from vlreward.verify.exact.text import MAX_CHARACTERS

__all__ = ["MAX_ANSWER", "MathParser", "last_boxed"]

MAX_ANSWER = MAX_CHARACTERS
"""Characters that an answer may have; `vlreward.verify` reads no more."""

_THINKING, _END_OF_THINKING = "<think>", "</think>"
_BRACE = re.compile(r"[{}]")
_BOXED = ("\\boxed", "\\fbox")


@dataclass(frozen=True)
class MathParser:
    r"""Extracts the answer: the last closed `<answer>`, or else the last balanced `\boxed{}`.

    Nothing before the last `</think>` is read, and nothing in thinking that never ends counts as
    `\boxed{}` answer. Where the answer holds exactly one `\boxed{}`, its contents are the answer.
    Linear in the text; never raises on text.

    Attributes:
        several: What to do if closed answer blocks differ: `fail` (`multiple_answers`), or take
            the `first` or the `last` of them.
        boxed: `fallback` looks for `\boxed{}` where there is no `<answer>` at all; `never` ends in
            `no_answer` then.

    Example:
        >>> MathParser()("<think>30 * 2</think><answer>60°</answer>")
        Parsed(value='60°', span=(29, 32))
        >>> MathParser()(r"So it is $\boxed{\frac{1}{2}}$.").value
        '\\frac{1}{2}'
        >>> MathParser()("<think>60").code.value
        'no_answer'
    """

    several: Several = "fail"
    boxed: Literal["fallback", "never"] = "fallback"

    def __post_init__(self) -> None:
        if self.several not in ("fail", "first", "last"):
            raise ValueError(f"several must be 'fail', 'first' or 'last', got {self.several!r}")
        if self.boxed not in ("fallback", "never"):
            raise ValueError(f"boxed must be 'fallback' or 'never', got {self.boxed!r}")

    def __call__(self, text: str) -> Parsed[str] | ParseFailure:
        """The answer text with its span in `text`, or why there is none."""
        if len(text) > MAX_CHARS:
            return too_long(MAX_CHARS, len(text))
        start = text.rfind(_END_OF_THINKING)
        start = start + len(_END_OF_THINKING) if start >= 0 else 0
        found = answer_region(text[start:] if start else text, several=self.several)
        if isinstance(found, ParseFailure):
            if found.code is not FailureCode.NO_ANSWER:
                return _moved(found, start)
            if "<answer>" in text[start:] or self.boxed == "never":
                return found
            unfinished = text.find(_THINKING, start)
            span = last_boxed(text, start, unfinished if unfinished >= 0 else len(text))
            if span is None:
                return ParseFailure(
                    FailureCode.NO_ANSWER,
                    "expected an answer in <answer></answer> or \\boxed{}, got neither",
                )
            return _answer(text, *span)
        assert found.span is not None
        first, last = found.span[0] + start, found.span[1] + start
        inner = last_boxed(text, first, last)
        if inner is not None and sum(text.count(name, first, last) for name in _BOXED) == 1:
            return _answer(text, *inner)
        return _answer(text, first, last)


def last_boxed(text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    r"""The span of the contents of the last `\boxed{...}` whose braces balance, or None.

    Args:
        text: Any text.
        start: Where to begin.
        end: Where to stop; None for the end of the text.

    Example:
        >>> last_boxed(r"\boxed{1}, no: \boxed{\frac{1}{2}}")
        (22, 33)
    """
    end = len(text) if end is None else end
    opened: list[tuple[int, bool]] = []
    found: tuple[int, int] | None = None
    # Every brace is visited once; a box is closed by the brace that matches its own.
    for brace in _BRACE.finditer(text, start, end):
        at = brace.start()
        if not _escaped(text, at, start):
            if text[at] == "{":
                opened.append((at + 1, _opens_box(text, at, start)))
            elif opened:
                begin, box = opened.pop()
                if box and (found is None or begin > found[0]):
                    found = (begin, at)
    return found


def _escaped(text: str, at: int, start: int) -> bool:
    """Whether a single backslash precedes the brace; two are a line break."""
    if at <= start or text[at - 1] != "\\":
        return False
    return not (at - 2 >= start and text[at - 2] == "\\")


def _opens_box(text: str, at: int, start: int) -> bool:
    before = text[max(start, at - 8) : at].rstrip(" ")
    return before.endswith(_BOXED)


def _moved(failure: ParseFailure, by: int) -> ParseFailure:
    if not by or failure.span is None:
        return failure
    span = (failure.span[0] + by, failure.span[1] + by)
    return ParseFailure(failure.code, failure.detail, span)


def _answer(text: str, first: int, last: int) -> Parsed[str] | ParseFailure:
    value = text[first:last]
    first += len(value) - len(value.lstrip())
    value = value.strip()
    span = (first, first + len(value))
    if not value:
        return ParseFailure(FailureCode.EMPTY_ANSWER, "expected an answer, got nothing", span)
    if len(value) > MAX_ANSWER:
        return too_long(MAX_ANSWER, len(value), span)
    return Parsed(value, span)
