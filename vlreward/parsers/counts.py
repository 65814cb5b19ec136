"""`CountParser`: the one whole number of a completion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice, pairwise

from vlreward.parsers.numbers import Number, whole_numbers
from vlreward.parsers.standing import standing, undisputed
from vlreward.parsers.tags import AnswerParser, Several, excerpt, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["CountParser"]

_MAX_ANSWER = 8_192  # characters; an honest answer has a few
_MAX_NUMBERS = 1_000

# Between two equal numbers, these make arithmetic or a range of them, not a repetition.
_OPERATOR = re.compile(
    r"\s{0,64}(?:[-+*/^=×÷·~–—〜～:]|\^?\{|\}\{|\\times|\\cdot|(?:x|by|times|plus|minus)(?=\s)"
    r"|(?!total|out)\w{2,16}\s(?:of|with)(?=\s))\s{0,64}",
    re.IGNORECASE,
)
# "2 cats and 2 dogs": what makes two things of two equal numbers. Not "two cats, 2 in total".
_ADDED = re.compile(
    r"\s?[^\W\d_][^.!?;。！？；\n]{0,64}"
    r"(?:\b(?:and|plus|also|as well as|another)|[+&,，、和与加及]|[另还]有)\s{0,4}",
    re.IGNORECASE,
)
_NOUN = re.compile(r"[*_\s]{0,4}(?!in\b|total|altogether|overall|all\b)[^\W\d_]", re.IGNORECASE)
_POINTING = re.compile(r"<points?\s[^<>]*>")  # Molmo points at what it counts

# "There are no dogs", "no red cars", "图中没有狗"; not "no idea", "there is no way to tell".
_THING = (
    r"(?!(?:answers?|ideas?|numbers?|info\w*|ways?|clues?|images?|pictures?|results?|responses?"
    r"|options?|data|doubts?|problems?|limits?|exact|definite|specific|clear|certain|more|fewer"
    r"|less|longer|other|such|further|need|reasons?|details?|evidence)\b)"
    r"(?:(?!(?:but|or|except|only|than|maybe|unless|if|know\w*|tell|sure|say|count\w*)\b)"
    r"[a-z'’-]{1,24} ){0,7}[a-z'’-]{2,24}"
)
_WHERE = r"(?:(?:the|this) )?(?:image|picture|photo|scene)"
_NONE = re.compile(
    rf"(?:no, )?(?:none|(?:in {_WHERE},? )?there (?:is|are|was|were)(?: (?:none|no one|no {_THING})"
    rf"|(?:n['’]t| not) any {_THING})|(?:(?:{_WHERE} (?:has|shows|contains)|i see) )?no {_THING}"
    rf"(?:(?<=s)|(?<=people)|(?<=children)|(?<=men)|(?<=sheep)|(?<=fish)| in {_WHERE})"
    r"|(?:这?[张幅]?图[片像]?[中里上]?面?)?没有(?:任何)?"
    r"(?!.{0,8}(?:答案|办法|信息|确|清|足够|具体|提供|图))[\u4e00-\u9fff]{1,8})[.!。]?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CountParser(AnswerParser[int]):
    """Reads one non-negative whole number from a completion.

    Digits (also `4.0`, `1,234` and full-width), English number words and Chinese numerals, alone
    or in a sentence; what counts as a number is told at `whole_numbers`. A number that is stated
    twice (`4 (four)`) is one number. A number that is denied (`not 7`) is none, and one that is a
    bound or an estimate (`more than 7`, `7 or so`, `超过7个`) is no exact number; `none`, `There
    are no dogs` and `没有狗` alone are 0. Names of things to which numbers belong are not
    understood: "3 cars, one of them red" states two numbers, and "2 cats and 2 dogs" no one number.
    Where one answer is marked, by `\\boxed{}` or GLM-V's tokens, and no other is named beside it,
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
        start, end = span = undisputed(text, start, end)
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
        numbers = _standing(answer, numbers)
        if not numbers and _NONE.fullmatch(" ".join(answer.strip("*_\"' ").split())):
            return Parsed(0, span)
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


def _standing(answer: str, numbers: list[Number]) -> list[Number]:
    """The numbers that are not denied; those that are only bounds or estimates have no value."""
    found = []
    for number in numbers:
        how = standing(answer, *number.span)
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
