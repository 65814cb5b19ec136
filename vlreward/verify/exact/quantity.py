"""Tokens to a number with its percent sign or unit."""

from __future__ import annotations

from vlreward.verify.exact.expression import Expression
from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.surd import Surd, Undecided, add, multiply, rational, sign
from vlreward.verify.exact.units import Unit, parse_unit
from vlreward.verify.exact.values import Number

__all__ = ["read_quantity"]

_PERCENT = frozenset(("%", "percent", "percents", "percentage", "pct"))
_CURRENCY = {"€": "euro", "£": "pound", "¥": "yuan"}
_SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9,
    "trillion": 10**12, "万": 10**4, "亿": 10**8,
}  # fmt: skip


def read_quantity(text: str, tokens: list[Token]) -> list[Number]:
    """An expression with its unit; two of them where there is a plus-minus sign.

    Args:
        text: The canonical text that the tokens were cut from.
        tokens: Those of one quantity.

    Raises:
        Undecided: The quantity is outside the language.
        Malformed: It has no value.
        TooComplex: A cap was reached.
    """
    if not tokens:
        raise Undecided("a missing value")
    unit: Unit | None = None
    if tokens[0].kind in _CURRENCY:
        unit = Unit(_CURRENCY[tokens[0].kind])
        tokens = tokens[1:]
    number, split = _one(text, tokens, 1, unit)
    return [number, _one(text, tokens, -1, unit)[0]] if split else [number]


def _one(text: str, tokens: list[Token], plus_minus: int, unit: Unit | None) -> tuple[Number, bool]:
    """One quantity, and whether it has a plus-minus sign, read as `plus_minus`."""
    expression = Expression(tokens, 0, plus_minus)
    surd = expression.sum()
    places, split = expression.places, expression.split
    rest = tokens[expression.position :]
    if not rest:
        return Number(surd, places, False, unit), split
    if len(rest) == 1 and rest[0].text.strip().lower() in _PERCENT:
        return Number(surd, places, True), split
    minutes = _minutes(rest)
    if minutes is not None:
        if sign(surd) < 0:
            raise Undecided("a negative angle with minutes")
        return Number(add(surd, minutes), places, False, Unit("angle")), split
    start = rest[0].start
    scale, width = _scale(rest[0])
    if scale:
        surd = multiply(surd, rational(scale))
        start += width
        if start >= rest[-1].end:
            return Number(surd, places, False, unit), split
    upright = rest[0].space or rest[0].kind in "th" or places is not None
    named = parse_unit(text[start : rest[-1].end], upright)
    if named is None:
        raise Undecided(f"{rest[0].text[:20]!r} after a value")
    return Number(surd, places, False, named[0] or unit), split


def _scale(token: Token) -> tuple[int, int]:
    """What a word such as ``million`` multiplies by, and its length; zeros for any other."""
    word = token.text[0] if token.kind == "h" else token.text.strip().lower()
    scale = _SCALES.get(word, 0)
    return scale, (1 if token.kind == "h" else token.end - token.start) if scale else 0


def _minutes(tokens: list[Token]) -> Surd | None:
    """The part of a degree in ``° 30'`` or ``° 30' 15''``."""
    kinds = [token.kind for token in tokens]
    if kinds[:3] != ["°", "n", "'"] or not tokens[1].text.isdigit() or len(tokens[1].text) > 2:
        return None
    value = rational(int(tokens[1].text), 60)
    if len(kinds) == 3:
        return value
    if kinds[3:] == ["n", "'", "'"] and tokens[3].text.isdigit() and len(tokens[3].text) < 3:
        return add(value, rational(int(tokens[3].text), 3600))
    return None
