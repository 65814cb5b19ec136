"""Where the answer stands in a completion: `<answer>…</answer>`, or the whole output.

Every function here is linear in the text and cannot be made to backtrack. Tags are the exact,
lower-case `<think>`, `</think>`, `<answer>` and `</answer>`; with attributes, white space inside or
other case they are ordinary text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Generic, Literal, TypeVar, get_args

from vlreward.parsers.final import after_thinking
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = [
    "MAX_CHARS",
    "AnswerParser",
    "Several",
    "Where",
    "answer_region",
    "answer_spans",
    "excerpt",
    "think_answer_structure",
    "too_long",
]

T = TypeVar("T")

MAX_CHARS = 131_072
"""Longest completion that parsers read, by default: some 32,000 tokens."""

Where = Literal["tag", "whole"]
"""`tag`: the answer is what `<answer>` holds. `whole`: it is the whole output but its thinking."""
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
_MAX_READ = 8  # blocks that are read to see whether they mean the same
_TAGS = re.compile(f"{_OPEN}|{_CLOSE}")
# What stands between the tags where a model quotes its prompt.
_PLACEHOLDER = re.compile(
    r"\s*(?:(?:(?:(?:put|insert|write) )?(?:(?:your|the|final|my) ){0,2}answer(?: here)?|\.{3}|…)"
    r"\s*)?",
    re.IGNORECASE,
)


def answer_region(
    text: str, where: Where = "tag", several: Several = "fail"
) -> Parsed[str] | ParseFailure:
    """The text that holds the answer, without white space at its ends.

    A closed block is a `</answer>` and the nearest `<answer>` before it with no other `</answer>`
    between them. A `<answer>` that is never closed, or that another one follows before the next
    `</answer>`, is ordinary text (models quote the tag while they think), and so is a `</answer>`
    that nothing opened. A block that is blank, or holds what prompts hold (`answer here`), is
    ordinary text too if another one is not. Blocks whose contents are equal after stripping count
    as one answer.

    Args:
        text: The completion.
        where: `tag` for the contents of a closed block, `whole` for the whole text but what stands
            before the last `</think>`, or in thinking that never ends but in an answer block.
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
    spans = answer_spans(text, where, several)
    if isinstance(spans, ParseFailure):
        return spans
    if len(spans) > 1:
        return _several(spans[0])
    ((start, end),) = spans
    return Parsed(text[start:end], (start, end))


def answer_spans(
    text: str, where: Where = "tag", several: Several = "fail"
) -> list[tuple[int, int]] | ParseFailure:
    """Where the answer stands, without white space at its ends; see `answer_region`.

    Returns:
        One half-open range; under `fail` one for each block with other contents than those
        before, for callers that can tell whether they mean the same.
    """
    if where == "whole":
        blocks = [_last_block(text) or after_thinking(text)]
    else:
        end = text.rfind(_CLOSE)
        start = text.rfind(_OPEN, 0, end) if end >= 0 else -1
        if start < 0:
            return _UNCLOSED if _OPEN in text else NO_TAG
        if text.find(_CLOSE) == end:
            blocks = [(start + len(_OPEN), end)]
        else:
            most = {"fail": _MAX_BLOCKS, "first": 1}.get(several, len(text))
            blocks = _blocks(text, most)
            if several == "fail" and len(blocks) >= _MAX_BLOCKS:
                return ParseFailure(
                    FailureCode.TOO_COMPLEX, f"expected fewer than {_MAX_BLOCKS} <answer> blocks"
                )
    if len(blocks) > 1:
        distinct = {text[start:end].strip(): (start, end) for start, end in blocks}
        blocks = list(distinct.values()) if several == "fail" else blocks
        blocks = {"first": blocks[:1], "last": blocks[-1:]}.get(several, blocks)
    spans = []
    for start, end in blocks:
        value = text[start:end].lstrip()
        if not value:
            detail = "expected an answer, got nothing"
            return ParseFailure(FailureCode.EMPTY_ANSWER, detail, (start, end))
        start = end - len(value)
        spans.append((start, start + len(value.rstrip())))
    return spans


@dataclass(frozen=True, slots=True)
class AnswerParser(Generic[T]):
    """What parsers of one answer have in common: derived classes add `_read`, and more fields.

    Frozen, picklable and hashable. Never raises on text.
    """

    where: Where = "tag"
    """Read the answer from `<answer>…</answer>` (`tag`) or from the whole output (`whole`)."""
    several_answers: Several = "fail"
    """What to do with several `<answer>` blocks that differ; see `answer_region`."""
    max_chars: int = MAX_CHARS
    """Longer completions are refused unread, with `too_long`."""

    def __post_init__(self) -> None:
        several = {f.name: Several for f in fields(self) if f.name.startswith("several_")}
        for name, literal in {"where": Where, **several}.items():
            if (value := getattr(self, name)) not in get_args(literal):
                raise ValueError(f"expected {name} to be one of {get_args(literal)}, got {value!r}")

    def __call__(self, text: str) -> Parsed[T] | ParseFailure:
        """Read the answer of one completion.

        Several blocks that differ in writing are one answer if all are read as equal values.

        Returns:
            The answer with its span; or a failure: those of `answer_region`, `too_long`, and what
            the class says.
        """
        if len(text) > self.max_chars:
            return too_long(self.max_chars, len(text))
        spans = answer_spans(text, self.where, self.several_answers)
        if isinstance(spans, ParseFailure):
            return spans
        if len(spans) == 1:
            ((start, end),) = spans
            return self._read(text, start, end)
        last = self._read(text, *spans[-1])
        if len(spans) <= _MAX_READ and isinstance(last, Parsed):
            others = [self._read(text, *span) for span in spans[:-1]]
            if all(isinstance(other, Parsed) and other.value == last.value for other in others):
                return last
        return _several(spans[0])

    def _read(self, text: str, start: int, end: int) -> Parsed[T] | ParseFailure:
        """What the answer that stands in text[start:end] says."""
        raise NotImplementedError


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


def too_long(limit: int, got: int, span: tuple[int, int] | None = None) -> ParseFailure:
    """The failure of a completion over a parser's size cap, or with `span` of an answer over it."""
    what = "at most" if span is None else "an answer of at most"
    return ParseFailure(
        FailureCode.TOO_LONG, f"expected {what} {limit} characters, got {got}", span
    )


def _blocks(text: str, most: int) -> list[tuple[int, int]]:
    """Contents of so many closed blocks that are not blank; of the last blank one if all are."""
    blocks: list[tuple[int, int]] = []
    opened: list[int] = []
    blank: list[tuple[int, int]] = []
    for tag in _TAGS.finditer(text):
        if tag.group() == _OPEN:
            opened.append(tag.end())
        elif opened:
            block = (opened.pop(), tag.start())
            if _PLACEHOLDER.fullmatch(text, *block):
                blank = [block]  # an echo of the prompt; what is open around it stays open
            else:
                blocks.append(block)
                opened.clear()  # each quoted a tag
                if len(blocks) == most:
                    break
    return blocks or blank


def _last_block(text: str) -> tuple[int, int] | None:
    """The contents of the only block, where nothing but thinking stands before it or after."""
    start, end = after_thinking(text)
    closed = len(text.rstrip()) - len(_CLOSE)
    if end == len(text) or text[start:end].strip() or text.count(_OPEN, end) != 1:
        return None
    opened = text.find(_OPEN, end) + len(_OPEN)
    return (opened, closed) if text.find(_CLOSE, opened) == closed else None


def _several(span: tuple[int, int]) -> ParseFailure:
    detail = "expected one answer, got several <answer> blocks that differ"
    return ParseFailure(FailureCode.MULTIPLE_ANSWERS, detail, span)
