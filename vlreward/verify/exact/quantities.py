"""Whether two numbers are equal, with their units, percent signs and decimal places."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from vlreward.verify.exact.surd import Surd, multiply, rational, scaled
from vlreward.verify.exact.units import Unit
from vlreward.verify.exact.values import Number, Symbolic
from vlreward.verify.policy import Policy

__all__ = ["close", "factor", "near", "numbers_equal"]

_HUNDRED = rational(100)
_HUNDREDTH = rational(1, 100)
_GUARD = 30
_HALF = 10**_GUARD
_LEAST_SHARE = 20  # however few the places, the answer is within a twentieth of the gold
_CERTAIN = 1e-9  # of a value: far above what rounding does to it


def near(g: float, a: float, gold: Number | Symbolic, policy: Policy) -> bool | None:
    """`close` for values that are known to some fifteen digits."""
    places = policy.decimals
    if places == "gold":
        places = 6 if gold.places is None else gold.places
    allowed = min(10.0**-places / 2 * min(1.0, 1000 * abs(g)), abs(g) / _LEAST_SHARE)
    unsure = _CERTAIN * max(abs(g), abs(a))
    if abs(g - a) > allowed + unsure:
        return False
    return True if abs(g - a) < allowed - unsure else None


def numbers_equal(gold: Number, answer: Number, policy: Policy) -> bool:
    """Compare in the gold's own unit, to which the places of `Policy.decimals` refer."""
    g, a = gold.surd, answer.surd
    if policy.units == "match" and gold.unit != answer.unit:
        first, second = gold.unit, answer.unit
        if first is not None and second is not None:
            if first.dimension != second.dimension:
                return False
            a = multiply(a, factor(second, first))
        elif (gold.percent and second) or (answer.percent and first):
            return False  # a share is no length
    if gold.percent != answer.percent and policy.percent != "number":
        if close(g, multiply(a, _HUNDRED if gold.percent else _HUNDREDTH), gold, answer, policy):
            return True
        if policy.percent == "fraction":
            return False
    return close(g, a, gold, answer, policy)


@lru_cache(maxsize=256)
def factor(unit: Unit, other: Unit) -> Surd:
    """How many of `other` one `unit` is."""
    numerator = unit.numerator * other.denominator
    common = gcd(numerator, unit.denominator * other.numerator)
    denominator = unit.denominator * other.numerator // common
    return {(1, unit.pi_power - other.pi_power): (numerator // common, denominator)}


def close(g: Surd, a: Surd, gold: Number, answer: Number, policy: Policy) -> bool:
    """Equality, exact or as far as `Policy.decimals` goes where a decimal is involved."""
    if g == a:
        return True
    if gold.places is None and answer.places is None:
        return False
    places = policy.decimals
    if places == "gold":
        places = 6 if gold.places is None else gold.places
    # |g - a| <= 10^-places / 2 * min(1, 1000 |g|) and |g| / 20, in units of 10^-(places + guard)
    digits = places + _GUARD
    x, y = scaled(g, digits), scaled(a, digits)
    difference = abs(x - y)
    scale: int = 10**places
    return (
        2 * difference <= _HALF
        and 2 * difference * scale <= 1000 * abs(x)
        and _LEAST_SHARE * difference <= abs(x)
    )
