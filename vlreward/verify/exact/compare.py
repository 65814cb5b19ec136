"""Whether two values are equal under a policy."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from vlreward.verify.exact.surd import Surd, multiply, rational, scaled
from vlreward.verify.exact.units import Unit
from vlreward.verify.exact.values import (
    Choice,
    Equation,
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Symbol,
    Union,
    Value,
    Word,
)
from vlreward.verify.policy import Policy

__all__ = ["equal"]

_HUNDRED = rational(100)
_HUNDREDTH = rational(1, 100)
_GUARD = 30
_HALF = 10**_GUARD


def equal(gold: Value, answer: Value, policy: Policy) -> bool | None:
    """Whether `answer` equals `gold`; None where the exact tier cannot tell."""
    if isinstance(gold, Named) or isinstance(answer, Named):
        return _named(gold, answer, policy)
    if isinstance(gold, Number) and isinstance(answer, Number):
        return _numbers(gold, answer, policy)
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _choices(gold, answer, policy)
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _groups(gold, answer, policy)
    if isinstance(gold, Range) or isinstance(answer, Range):
        return _ranges(gold, answer, policy)
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return _ratios(gold, answer, policy)
    if isinstance(gold, Union) and isinstance(answer, Union):
        # Touching parts may merge, which only the symbolic tier knows.
        return _unordered(gold.parts, answer.parts, policy) or None
    if isinstance(gold, Word) and isinstance(answer, Word):
        return gold.text == answer.text
    if isinstance(gold, Symbol) or isinstance(answer, Symbol):
        return _symbols(gold, answer)
    if isinstance(gold, Infinity) and isinstance(answer, Infinity):
        return gold.sign == answer.sign
    if isinstance(gold, Equation) and isinstance(answer, Equation):
        return None
    if isinstance(gold, Union) or isinstance(answer, Union):
        return None
    return False


def _named(gold: Value, answer: Value, policy: Policy) -> bool | None:
    if isinstance(gold, Named) and isinstance(answer, Named):
        if gold.name and answer.name and gold.name != answer.name:
            return False
        return equal(gold.value, answer.value, policy)
    if isinstance(gold, Named):
        return equal(gold.value, answer, policy)
    assert isinstance(answer, Named)
    return equal(gold, answer.value, policy)


def _numbers(gold: Number, answer: Number, policy: Policy) -> bool:
    """Compare in the gold's own unit, to which the places of `Policy.decimals` refer."""
    g, a = gold.surd, answer.surd
    if policy.units == "match" and gold.unit != answer.unit:
        first, second = gold.unit, answer.unit
        if first is not None and second is not None:
            if first.dimension != second.dimension:
                return False
            a = multiply(a, _factor(second, first))
    if gold.percent != answer.percent and policy.percent != "number":
        if _close(g, multiply(a, _HUNDRED if gold.percent else _HUNDREDTH), gold, answer, policy):
            return True
        if policy.percent == "fraction":
            return False
    return _close(g, a, gold, answer, policy)


@lru_cache(maxsize=256)
def _factor(unit: Unit, other: Unit) -> Surd:
    """How many of `other` one `unit` is."""
    numerator = unit.numerator * other.denominator
    common = gcd(numerator, unit.denominator * other.numerator)
    denominator = unit.denominator * other.numerator // common
    return {(1, unit.pi_power - other.pi_power): (numerator // common, denominator)}


def _close(g: Surd, a: Surd, gold: Number, answer: Number, policy: Policy) -> bool:
    """Equality, exact or as far as `Policy.decimals` goes where a decimal is involved."""
    if g == a:
        return True
    if gold.places is None and answer.places is None:
        return False
    places = policy.decimals
    if places == "gold":
        places = 6 if gold.places is None else gold.places
    # |g - a| <= 10^-places / 2 * min(1, 1000 |g|), in units of 10^-(places + guard)
    digits = places + _GUARD
    x, y = scaled(g, digits), scaled(a, digits)
    difference = abs(x - y)
    scale: int = 10**places
    return 2 * difference <= _HALF and 2 * difference * scale <= 1000 * abs(x)


def _choices(gold: Value, answer: Value, policy: Policy) -> bool | None:
    if isinstance(gold, Choice) and gold.letter not in policy.choices:
        return None if gold.content else equal(Symbol(gold.letter), answer, policy)
    if isinstance(answer, Choice) and answer.letter not in policy.choices:
        return None if answer.content else equal(gold, Symbol(answer.letter), policy)
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        if gold.letter != answer.letter:
            return False
        if gold.content and answer.content:
            return _any(gold.content, answer.content, policy)
        return True
    if isinstance(gold, Choice):
        if isinstance(answer, Symbol):
            return gold.letter == answer.letter.upper()
        return _any(gold.content, (answer,), policy) if gold.content else False
    assert isinstance(answer, Choice)
    if answer.content:
        return _any((gold,), answer.content, policy)
    return gold.letter.upper() == answer.letter if isinstance(gold, Symbol) else False


def _any(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> bool | None:
    verdict: bool | None = False
    for g in gold:
        for a in answer:
            found = equal(g, a, policy)
            if found:
                return True
            if found is None:
                verdict = None
    return verdict


def _symbols(gold: Value, answer: Value) -> bool | None:
    if isinstance(gold, Symbol) and isinstance(answer, Symbol):
        return gold.letter == answer.letter
    if isinstance(gold, Word) or isinstance(answer, Word):
        return False
    return None  # a letter may be a constant such as e


def _groups(gold: Group, answer: Group, policy: Policy) -> bool | None:
    bare = not gold.opening or not answer.opening
    if not bare and (gold.opening, gold.closing) != (answer.opening, answer.closing):
        return False
    if len(gold.items) != len(answer.items):
        return False if not (bare or gold.opening == "⦃") else _as_sets(gold, answer, policy)
    kinds = {gold.opening, answer.opening}
    ordered = policy.ordered_tuples if kinds & {"(", "["} else policy.ordered_sets
    if not ordered:
        return _unordered(gold.items, answer.items, policy)
    verdict: bool | None = True
    for g, a in zip(gold.items, answer.items):
        found = equal(g, a, policy)
        if found is False:
            return False
        if found is None:
            verdict = None
    return verdict


def _as_sets(gold: Group, answer: Group, policy: Policy) -> bool | None:
    """Sets of different length are equal only where one of them repeats an element."""
    if policy.ordered_sets or "(" in (gold.opening, answer.opening):
        return False
    first = _distinct(gold.items, policy)
    second = _distinct(answer.items, policy)
    return len(first) == len(second) and _unordered(first, second, policy)


def _distinct(items: tuple[Value, ...], policy: Policy) -> tuple[Value, ...]:
    kept: list[Value] = []
    for item in items:
        if not any(equal(other, item, policy) for other in kept):
            kept.append(item)
    return tuple(kept)


def _unordered(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> bool | None:
    """Whether the elements pair off; each takes the first equal one that is left."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    unknown = False
    for g in gold:
        for index, a in enumerate(left):
            found = equal(g, a, policy)
            if found:
                del left[index]
                break
            unknown = unknown or found is None
        else:
            return None if unknown else False
    return True


def _ranges(gold: Value, answer: Value, policy: Policy) -> bool | None:
    first, second = _as_range(gold), _as_range(answer)
    if first is None or second is None:
        return None if isinstance(gold, Union) or isinstance(answer, Union) else False
    if (first.low_open, first.high_open) != (second.low_open, second.high_open):
        return False
    low = equal(first.low, second.low, policy)
    return equal(first.high, second.high, policy) if low else low


def _as_range(value: Value) -> Range | None:
    if isinstance(value, Range):
        return value
    if isinstance(value, Group) and value.opening in ("(", "[") and len(value.items) == 2:
        low, high = value.items
        if isinstance(low, (Number, Infinity)) and isinstance(high, (Number, Infinity)):
            return Range(low, high, value.opening == "(", value.closing == ")")
    return None


def _ratios(gold: Value, answer: Value, policy: Policy) -> bool | None:
    if isinstance(gold, Number):
        gold = Ratio((gold, Number(rational(1))))
    if isinstance(answer, Number):
        answer = Ratio((answer, Number(rational(1))))
    if not isinstance(gold, Ratio) or not isinstance(answer, Ratio):
        return False
    if len(gold.parts) != len(answer.parts):
        return False
    if any(not part.surd for part in gold.parts[1:] + answer.parts[1:]):
        # 12:00 is a time, not a ratio.
        return all(g.surd == a.surd for g, a in zip(gold.parts, answer.parts))
    first, other = gold.parts[0], answer.parts[0]
    return all(
        _close(multiply(g.surd, other.surd), multiply(first.surd, a.surd), g, a, policy)
        for g, a in zip(gold.parts[1:], answer.parts[1:])
    )
