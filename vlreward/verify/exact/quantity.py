"""Tokens to a number with its percent sign or unit."""

from __future__ import annotations

import re

from vlreward.verify.exact.algebra import constant_of
from vlreward.verify.exact.expression import Exact
from vlreward.verify.exact.formula import Formula
from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.surd import (
    Surd,
    TooComplex,
    Undecided,
    add,
    decimal,
    multiply,
    rational,
    sign,
)
from vlreward.verify.exact.units import UNKNOWN, Unit, parse_unit
from vlreward.verify.exact.values import Number, Symbolic

__all__ = ["read_quantity"]

_PERCENT = frozenset(("%", "percent", "percents", "percentage", "pct"))
_CURRENCY = {"€": "euro", "£": "pound", "¥": "yuan", "＄": "dollar"}
_DEGREE = Unit("angle")
_SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9,
    "trillion": 10**12, "万": 10**4, "亿": 10**8,
}  # fmt: skip


def read_quantity(text: str, tokens: list[Token]) -> list[Number | Symbolic]:
    """An expression with its unit; two of them where there is a plus-minus sign.

    Args:
        text: The canonical text that the tokens were cut from.
        tokens: Those of one quantity.

    Raises:
        Undecided: The quantity is outside the language.
        Malformed: It has no value.
        TooComplex: A cap was reached.
    """
    try:
        return [*_numbers(text, tokens)]
    except Undecided as reason:
        mixed = _mixed(text, tokens)
        if mixed is not None:
            return [mixed]
        try:
            return _formulas(text, tokens)
        except Undecided:
            raise reason from None


def _formulas(text: str, tokens: list[Token]) -> list[Number | Symbolic]:
    """An expression with letters or functions."""
    end = len(tokens)
    unit: Unit | None = None
    for at in range(max(1, end - 4), end):  # the longest unit: "m / s ^2"
        if tokens[at].kind in "wh" and (tokens[at].space or tokens[at].kind == "h"):
            name = text[tokens[at].start : tokens[-1].end]
            found = parse_unit(name, upright=True) if len(name) > 1 or name > "z" else None
            if found and (found[0] is None or not found[0].dimension.startswith(UNKNOWN)):
                unit, end = found[0], at
                break
    values: list[Number | Symbolic] = []
    for plus_minus in (1, -1):
        parser = Formula(tokens[:end], plus_minus)
        try:
            form = parser.sum()
        except TooComplex as reason:  # for this tier
            raise Undecided(str(reason)) from None
        if parser.position < end:
            raise Undecided(f"{tokens[parser.position].text[:20]!r} after an expression")
        number = constant_of(form)
        if number is not None:
            values.append(Number(number, parser.places, unit=unit))
        else:
            written = text[tokens[0].start : tokens[end - 1].end]
            values.append(Symbolic(form, parser.places, unit, written))
        if not parser.split:
            break
    return values


_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+|[\u4e00-\u9fff]+)\.?,?\s*")


def _mixed(text: str, tokens: list[Token]) -> Number | None:
    """``1 h 30 min``, ``6 ft 2 in``: quantities of one dimension, the larger units first."""
    written = text[tokens[0].start : tokens[-1].end] if tokens else ""
    pieces = _PIECE.findall(written)
    if not 2 <= len(pieces) <= 3 or _PIECE.sub("", written):
        return None
    total: Surd = {}
    units: list[Unit] = []
    for digits, name in pieces:
        if name == "m" and units and units[0].dimension == "time":
            name = "min"
        found = parse_unit(name, upright=True)
        unit = found[0] if found else None
        if unit is None or unit.pi_power or unit.dimension.startswith(UNKNOWN):
            return None
        if units and not _smaller(unit, units[-1]):
            return None
        units.append(unit)
        size = rational(
            unit.numerator * units[0].denominator, unit.denominator * units[0].numerator
        )
        total = add(total, multiply(decimal(digits)[0], size))
    return Number(total, None, unit=units[0])


def _smaller(unit: Unit, other: Unit) -> bool:
    first, second = unit.numerator * other.denominator, other.numerator * unit.denominator
    return unit.dimension == other.dimension and first < second


def _numbers(text: str, tokens: list[Token]) -> list[Number]:
    if not tokens:
        raise Undecided("a missing value")
    unit: Unit | None = None
    if tokens[0].kind in _CURRENCY:
        unit = Unit(_CURRENCY[tokens[0].kind])
        tokens = tokens[1:]
    elif tokens[0].kind == "-" and len(tokens) > 1 and tokens[1].kind in _CURRENCY:
        unit = Unit(_CURRENCY[tokens[1].kind])
        tokens = [tokens[0], *tokens[2:]]
    number, split = _one(text, tokens, 1, unit)
    return [number, _one(text, tokens, -1, unit)[0]] if split else [number]


def _one(text: str, tokens: list[Token], plus_minus: int, unit: Unit | None) -> tuple[Number, bool]:
    """One quantity, and whether it has a plus-minus sign, read as `plus_minus`."""
    expression = Exact(tokens, plus_minus)
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
        return Number(add(surd, minutes), places, False, _DEGREE), split
    start = rest[0].start
    scale, width = _scale(rest[0])
    if scale:
        surd = multiply(surd, rational(scale))
        start += width
        if start >= rest[-1].end:
            return Number(surd, places, False, unit), split
    primes = "".join(token.kind for token in rest)
    if primes in ("'", "''"):  # minutes and seconds of an angle alone
        return Number(multiply(surd, rational(1, 60 ** len(primes))), places, unit=_DEGREE), split
    upright = rest[0].space or rest[0].kind == "h" or places is not None
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
