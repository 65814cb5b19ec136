r"""The answer text of a completion for problems with a symbolic answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlreward.parsers.final import after_thinking, last_marked
from vlreward.parsers.standing import undisputed
from vlreward.parsers.tags import MAX_CHARS, Several, answer_region, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure
from vlreward.verify.exact.text import MAX_CHARACTERS

__all__ = ["MAX_ANSWER", "MathParser"]

MAX_ANSWER = MAX_CHARACTERS
"""Characters that an answer may have; `vlreward.verify` reads no more."""


@dataclass(frozen=True)
class MathParser:
    r"""Extracts the answer: the last closed `<answer>`, or else the last balanced `\boxed{}`.

    Nothing before the last `</think>` is read, and nothing in thinking that never ends counts as
    `\boxed{}` answer. Where the answer holds exactly one `\boxed{}`, its contents are the answer,
    and so are those of GLM-V's `<|begin_of_box|>…<|end_of_box|>`. Linear in the text; never raises
    on text.

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
        start, end = after_thinking(text)
        found = answer_region(text[start:] if start else text, several=self.several)
        if isinstance(found, ParseFailure):
            if found.code is not FailureCode.NO_ANSWER:
                return _moved(found, start)
            if "<answer>" in text[start:] or self.boxed == "never":
                return found
            span = last_marked(text, start, end)
            if span is None:
                return ParseFailure(
                    FailureCode.NO_ANSWER,
                    "expected an answer in <answer></answer> or \\boxed{}, got neither",
                )
            return _answer(text, *span)
        assert found.span is not None
        first, last = found.span[0] + start, found.span[1] + start
        return _answer(text, *undisputed(text, first, last, repeated=False, estimates=True))


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
