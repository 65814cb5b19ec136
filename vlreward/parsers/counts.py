"""`CountParser`: the one whole number of a completion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal

from vlreward.parsers.final import marked
from vlreward.parsers.numbers import Number, whole_numbers
from vlreward.parsers.tags import AnswerParser, Several, excerpt, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["CountParser", "standing"]

_MAX_ANSWER = 8_192  # characters; an honest answer has a few
_MAX_NUMBERS = 1_000

# Between two equal numbers, these make arithmetic or a range of them, not a repetition.
_OPERATOR = re.compile(r"\s{0,64}(?:[-+*/^=×÷·~–—〜～:]|\^?\{|\}\{|\\times|\\cdot)\s{0,64}")


# "2 cats and 2 dogs": what makes two things of two equal numbers. Not "two cats, 2 in total".
_ADDED = re.compile(
    r"\s?[^\W\d_][^.!?;。！？；\n]{0,64}(?:\b(?:and|plus)|[+&,，、和与加及])\s{0,4}", re.IGNORECASE
)
_NOUN = re.compile(r"[*_\s]{0,4}(?!in\b|total|altogether|overall|all\b)[^\W\d_]", re.IGNORECASE)
_POINTING = re.compile(r"<points?\s[^<>]*>")  # Molmo points at what it counts

_REACH = 48  # characters before and after a number that are looked at

_GAP = r"[\s*_`$\"'(:]{0,4}(?:\\boxed\s?\{[ (]{0,2}|<\|begin_of_box\|> ?)?"
_BEHIND = r"[\s*_`$\"'():}]{0,4}(?:<\|end_of_box\|> ?)?"
_FILLER = r"(?:(?:be|exactly|just|only|equal to|a total of|quite|really|in fact)\s+){0,2}"
_DENIED = re.compile(
    rf"(?:\b(?:not|never|no longer|cannot be|rather than|instead of)\s+{_FILLER}|n['’]t\s+{_FILLER}"
    rf"|!=|≠|\\neq?\b|不(?:是|等于|为|可能是|会是)|并?非|没有|而不是){_GAP}\Z",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    rf"(?:\b(?:(?:more|less|fewer|greater|larger|smaller|higher|lower)\s+than(?:\s+or\s+equal\s+to)?"
    r"|at\s+(?:the\s+)?(?:least|most|minimum|maximum)|up\s+to|over|above|under|below|beyond|exceed(?:s|ing)?"
    r"|minimum\s+of|maximum\s+of|about|around|approximately|approx\.?|roughly|nearly|almost|"
    r"circa|close\s+to|upwards?\s+of|between)\s+(?:a\s+total\s+of\s+)?"
    r"|(?:^|\s)[<>]=?|[≤≥≈~〜～≲≳]|\\(?:approx|geq?|leq?|sim|gt|lt)\b"
    r"|不[止到足]|(?:不?[超多少大小低高]|不?超)[过于]|不少于|至[少多]|最[多少]|大约|大概|约|(?<!附)[将接]?近"
    rf"|差不多|几乎|至多有|至少有){_GAP}\Z",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(
    rf"{_BEHIND}(?:\+(?!\s{{0,4}}\d)|\s?(?:or|and)\s+(?:more|so|fewer|less|above|below|up|higher|lower|greater)\b"
    r"|-?ish\b|\s?(?:plus|at\s+(?:the\s+)?(?:least|most))\b"
    r"|\s?[个個只隻辆輛人位名条條张張件台棵把本朵]?(?:以[上下内]|左右|上下|多(?![边邊角])|余|几|幾|来[个個只人位]))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CountParser(AnswerParser[int]):
    """Reads one non-negative whole number from a completion.

    Digits (also `4.0`, `1,234` and full-width), English number words and Chinese numerals, alone
    or in a sentence; what counts as a number is told at `whole_numbers`. A number that is stated
    twice (`4 (four)`) is one number. A number that is denied (`not 7`) is none, and one that is a
    bound or an estimate (`more than 7`, `7 or so`, `超过7个`) is no exact number. Names of things
    to which numbers belong are not understood: "3 cars, one of them red" states two numbers, and
    "2 cats and 2 dogs" no one number. Where one answer is marked, by `\\boxed{}` or GLM-V's tokens,
    nothing else is read; nor are the coordinates in Molmo's `<points …>`.

    Gives the number with the span that states it. Or a failure: those of `answer_region`;
    `multiple_answers` for several numbers; `bad_number` if there is none, or it is denied, a bound,
    an estimate, negative, not whole, malformed or of more than 15 digits; `too_long` for
    completions over `max_chars` and answers over 8,192 characters; `too_complex` for more than
    1,000 numbers.

    Example:
        >>> parse = CountParser()
        >>> parse("<think>a red car, ...</think><answer>4 items</answer>")
        Parsed(value=4, span=(37, 38))
        >>> parse("<answer>three or four</answer>").code.value
        'multiple_answers'
    """

    several_numbers: Several = "fail"
    """What to do with several numbers that differ. `first` and `last` choose by position, before
    the chosen one is checked."""

    def _read(self, text: str, start: int, end: int) -> Parsed[int] | ParseFailure:
        answer, span = text[start:end], (start, end)
        if len(answer) <= 15 and answer.isascii() and answer.isdigit():
            return Parsed(int(answer), span)  # as nearly every answer is
        first, last = start, end
        start, end = span = marked(text, start, end)
        answer = text[start:end]
        if len(answer) > _MAX_ANSWER:
            return too_long(_MAX_ANSWER, len(answer), span)
        if "<point" in answer:
            answer = _POINTING.sub(lambda tag: " " * len(tag.group()), answer)
        numbers = list(islice(whole_numbers(answer), _MAX_NUMBERS + 1))
        if len(numbers) > _MAX_NUMBERS:
            return ParseFailure(
                FailureCode.TOO_COMPLEX, f"expected at most {_MAX_NUMBERS} numbers", span
            )
        around = text[max(first, start - _REACH) : start], text[end : min(last, end + _REACH)]
        numbers = _standing(answer, numbers, *around)
        if not numbers:
            return ParseFailure(
                FailureCode.BAD_NUMBER, f"expected a whole number, got {excerpt(answer)}", span
            )
        chosen = numbers[-1 if self.several_numbers == "last" else 0]
        if self.several_numbers == "fail":
            if any(number.value != chosen.value for number in numbers):
                found = ", ".join(answer[slice(*number.span)][:20] for number in numbers[:4])
                return ParseFailure(
                    FailureCode.MULTIPLE_ANSWERS, f"expected one number, got {found}", span
                )
            if _is_arithmetic(answer, numbers):
                return ParseFailure(
                    FailureCode.BAD_NUMBER, f"expected a number, got {excerpt(answer)}", span
                )
        start, end = (span[0] + place for place in chosen.span)
        if chosen.value is None:
            return ParseFailure(
                FailureCode.BAD_NUMBER,
                f"expected a whole number of at most 15 digits, exactly, got {excerpt(answer)}",
                (start, end),
            )
        return Parsed(chosen.value, (start, end))


def _standing(answer: str, numbers: list[Number], before: str, after: str) -> list[Number]:
    """The numbers that are not denied; those that are only bounds or estimates have no value."""
    found = []
    whole, offset = before + answer + after, len(before)
    for number in numbers:
        how = standing(whole, *(offset + place for place in number.span))
        if how != "denied":
            found.append(number if how == "stated" else Number(None, number.span))
    return found


def _is_arithmetic(answer: str, numbers: list[Number]) -> bool:
    return any(
        _OPERATOR.fullmatch(answer, left.span[1], right.span[0])
        or (
            _ADDED.fullmatch(answer, left.span[1], right.span[0])
            and _NOUN.match(answer, right.span[1])
        )
        for left, right in pairwise(numbers)
    )


def standing(text: str, start: int, end: int) -> Literal["stated", "denied", "bounded"]:
    """How the words around text[start:end] let the number there stand.

    Example:
        >>> standing("there are 7", 10, 11), standing("not 7", 4, 5), standing("超过7个", 2, 3)
        ('stated', 'denied', 'bounded')
        >>> standing("7 or more", 0, 1)
        'bounded'
    """
    before = text[max(0, start - _REACH) : start]
    if _BOUNDED.search(before) or _OPEN_ENDED.match(text, end, end + _REACH):
        return "bounded"
    return "denied" if _DENIED.search(before) else "stated"
