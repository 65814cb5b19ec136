"""A gold or an answer to the values it may stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from vlreward.verify.exact.lexer import tokenize
from vlreward.verify.exact.names import is_prose
from vlreward.verify.exact.statement import read_statement
from vlreward.verify.exact.surd import Malformed, TooComplex, Undecided, rational
from vlreward.verify.exact.text import canonical_text, without_phrases
from vlreward.verify.exact.units import Unit
from vlreward.verify.exact.values import Choice, Clock, Number, Symbol, Value

__all__ = ["DEEP", "Reading", "read"]

DEEP = "nested too deeply"
"""The detail of a text that the caller's stack left no room for: it says nothing about the text."""


@dataclass(slots=True, eq=False)
class Reading:
    """What `read` found.

    Attributes:
        status: ``read``: `values` is what the text can mean. ``undecided``: outside the language
            of the exact tier. ``too_complex``: a cap was reached. ``malformed``: no mathematical
            value, as ``1/0``. ``empty``: nothing but delimiters and punctuation.
        text: The canonical text without a sentence in front; empty where the text is over the cap
            on characters.
        values: One value, or two where a comma may be a decimal point or a separator.
        doubtful: Whether the first of two is so only beside a decimal: ``2,4`` is 2.4 where that
            was asked for, but a gold ``2,4`` is a list.
        prose: Whether there are words that are neither functions nor units.
        detail: Why the text was not read.
        plain: Whether the text is digits, with a sign, a point and a degree sign at most: most are.
    """

    status: Literal["read", "undecided", "too_complex", "malformed", "empty"]
    text: str
    values: tuple[Value, ...] = ()
    prose: bool = False
    detail: str = ""
    doubtful: bool = False
    plain: bool = False


_PLAIN = re.compile(r"\s*([-−]?)(\d{1,40})(?:\.(\d{1,40}))?\s*(°?)\s*")
_DEGREES = Unit("angle")


def read(text: str) -> Reading:
    r"""Read a gold or an answer.

    Examples:
        >>> read("3√{4}").values[0].surd
        {(1, 0): (6, 1)}
        >>> read(r"\int x dx").status
        'undecided'
    """
    plain = _PLAIN.fullmatch(text)
    if plain:
        return Reading("read", text.strip(), (_plain_number(*plain.groups()),), plain=True)
    canonical = ""
    try:
        canonical = canonical_text(text)
        if not canonical:
            return Reading("empty", "")
        bare = canonical
        canonical = without_phrases(canonical)
        values = _read_canonical(bare, canonical)
    except Undecided as reason:
        return Reading("undecided", canonical, (), _is_prose(canonical), str(reason))
    except TooComplex as reason:
        return Reading("too_complex", canonical, (), False, str(reason))
    except RecursionError:  # where the caller has used up the stack
        return Reading("too_complex", "", (), False, DEEP)
    except Malformed as reason:
        return Reading("malformed", canonical, (), False, str(reason))
    doubtful = len(values) > 1 and bool(_DOUBTFUL_COMMA.fullmatch(canonical))
    return Reading("read", canonical, values, doubtful=doubtful)


def _plain_number(minus: str, whole: str, decimals: str | None, degree: str) -> Number:
    top = int(whole + (decimals or ""))
    value = rational(-top if minus else top, 10 ** len(decimals or ""))
    return Number(value, len(decimals) if decimals else None, unit=_DEGREES if degree else None)


_CHOICE = re.compile(r"(?:(?i:option|choice)\s+|选项?)?(?:\(\s*([A-Ja-j])\s*\)|([A-J])\)?)")
_CHOICE_WITH_CONTENT = re.compile(
    r"(?:(?i:option|choice)\s+|选项?)?"
    r"(?:\(\s*([A-J])\s*\)\s*[.:,]?|([A-J])\s*(?:[.)]|:(?![A-Z])|,(?!\s*(?:[A-J]|[IVX]+)\b)))\s*(?=\S)"
)
# Another letter, as an answer of its own or in doubt; a letter inside the content is none, and
# neither is one that is seldom an option.
_OTHER_CHOICE = re.compile(
    r"(?:(?i:or|and|not|but|maybe|perhaps|possibly|probably|either|nor|no|option|choice|answer)\b"
    r"|[,/;|或和不])+[\s,/;|]*\(?([A-HJ])(?:\)|(?=\s*(?:[.:,;]|$)))"
    r"|\(?([A-F])(?:\)|(?=\s*(?:[.:,;]|$)))"
    r"|.*(?i:\b(?:or|not|but|maybe|perhaps|possibly|probably|either|nor|no|option|choice|answer)\b"
    r"|或|[/|])\W{0,3}(?i:maybe|perhaps|possibly|probably|is|option|choice)?\s*\(?([A-J])"
    r"(?:\)|\b(?=\s*(?:[.:,;)]|$)))"
    r"|.*\(([A-J])\)"
)
_DENIAL = re.compile(
    r"(?i:(?:is |was )?(?:not|(?-i:wrong|incorrect)|never|isn't|maybe|perhaps|probably|possibly"
    r"|or|and|but)\b(?! enough| possible| to scale))(?:[ ,.]*(?:it|this|that|right|correct|sure"
    r"|the answer))*[ .?!]*$|不对|不是|错误?$"
)
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*(?:(?i:([ap])\.?\s?m)\.?|(?i:o'clock)|点)")


def _read_canonical(bare: str, text: str) -> tuple[Value, ...]:
    for candidate in (bare,) if bare == text else (bare, text):
        choice = _CHOICE.fullmatch(candidate)
        if choice:
            return (Choice((choice.group(1) or choice.group(2)).upper()),)
    if len(bare) == 1 and bare.isalpha() and bare.isascii():
        return (Symbol(bare),)
    choice = _CHOICE_WITH_CONTENT.match(text)
    if choice:
        return (_choice(choice.group(1) or choice.group(2), text[choice.end() :]),)
    clock = _CLOCK.fullmatch(text)
    if clock and int(clock[1]) < 25 and int(clock[2] or 0) < 60:
        half = {"a": "am", "p": "pm"}.get((clock[3] or "").lower(), "")
        return (Clock(int(clock[1]), int(clock[2] or 0), half),)
    return _read_numbers(text)


def _choice(letter: str, content: str) -> Choice:
    """An option with its content, whatever that is, unless it names or leaves open another."""
    other = _OTHER_CHOICE.match(content)
    found = next((group for group in other.groups() if group), letter) if other else letter
    if found != letter or _DENIAL.match(content):
        raise Malformed("a choice that is taken back or left open")
    try:
        if len(content) == 1 and content.isalpha() and content.isascii():
            return Choice(letter, content, (Symbol(content),))
        return Choice(letter, content, _read_numbers(without_phrases(content)))
    except (Undecided, Malformed, TooComplex):
        return Choice(letter, content)


_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_POINT_THOUSANDS = re.compile(r"([-+]?[1-9]\d{0,2}(?:\.\d{3})+),(\d+)")
_SPACE_THOUSANDS = re.compile(r"(?<![\d.,/^])[1-9]\d{0,2}(?: \d{3})+(?![\d/]| *\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(?=\d+(?![\d,.]))")
_DOUBTFUL_COMMA = re.compile(r"-?[1-9]\d*,\d(?!\d).*")


def _read_numbers(text: str) -> tuple[Value, ...]:
    """The readings of `text`: with a comma as a separator, and as part of a number."""
    if " " in text:
        text = _SPACE_THOUSANDS.sub(lambda found: found.group().replace(" ", ""), text)
    if "," not in text or any(bracket in text for bracket in "([⦃⟦"):
        return (_read_text(text),)
    found = _POINT_THOUSANDS.match(text)
    if found:
        number = f"{found[1].replace('.', '')}.{found[2]}"
        return (_read_text(number + text[found.end() :]),)
    joined = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)
    if joined == text and text.count(",") == 1:
        joined = _DECIMAL_COMMA.sub(r"\1.", text)
    if joined == text:
        return (_read_text(text),)
    values: list[Value] = []
    failure: Undecided | None = None
    for reading in (joined, text):
        try:
            values.append(_read_text(reading))
        except Undecided as reason:
            failure = reason
    if failure is not None and not values:
        raise failure
    return tuple(values)


def _read_text(text: str) -> Value:
    return read_statement(text, tokenize(text))


def _is_prose(text: str) -> bool:
    try:
        return is_prose(tokenize(text))
    except TooComplex:
        return False
