"""Equations and inequalities, made, solved and compared, and values as unions of intervals."""

from __future__ import annotations

from vlreward.verify.exact import algebra, surd
from vlreward.verify.exact.algebra import Form, Opaque, Poly
from vlreward.verify.exact.formula import letters_of
from vlreward.verify.exact.sample import all_names, misses, signs_differ
from vlreward.verify.exact.surd import Undecided
from vlreward.verify.exact.values import (
    Empty,
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Relation,
    Spelled,
    Symbol,
    Symbolic,
    Union,
    Value,
)

__all__ = [
    "as_relation",
    "before",
    "has_ranges",
    "intersection",
    "intervals",
    "letters_as_form",
    "merged",
    "relation",
    "same_relation",
    "solved",
]


def relation(sign: str, left: Form, right: Form, text: str) -> Relation:
    """``left sign right`` as a polynomial beside zero.

    Raises:
        Undecided: An inequality with a letter in a denominator, whose sign is not known.
    """
    poly = algebra.difference(left, right)
    lowest: dict[str, algebra.Exponent] = {}
    for monomial in poly:
        for name, exponent in monomial:
            if exponent < 0:
                lowest[name] = min(exponent, lowest.get(name, 0))
    divided = lowest or left.bottom != right.bottom or len(left.bottom) > 1
    if divided and sign in "<≤":
        raise Undecided("an inequality with a letter in a denominator")
    if lowest:
        factor = tuple(sorted((name, -exponent) for name, exponent in lowest.items()))
        cleared = algebra.multiply(
            Form(poly, {(): surd.rational(1)}),
            Form({factor: surd.rational(1)}, {(): surd.rational(1)}),
        )
        poly = cleared.top
    return Relation(sign, poly, text)


def solved(value: Value) -> Value:
    """An inequality that is linear in its only letter, as a range of that letter."""
    if not isinstance(value, Relation):
        return value
    slope: surd.Surd = {}
    rest: surd.Surd = {}
    letter = ""
    for monomial, coefficient in value.poly.items():
        if not monomial:
            rest = coefficient
        elif len(monomial) == 1 and monomial[0][1] == 1 and not letter:
            letter, slope = monomial[0][0], coefficient
        else:
            return value
    if not letter or isinstance(letter, Opaque) or letter in ("e", "i"):
        return value
    end = Number(surd.negate(surd.divide(rest, slope)))
    is_open = value.sign == "<"
    if surd.sign(slope) > 0:
        return Named(letter, Range(Infinity(-1), end, True, is_open))
    return Named(letter, Range(end, Infinity(1), is_open, True))


def before(a: Value, b: Value) -> bool:
    """Whether one end of a range lies below another; ends in letters are `Undecided`."""
    if isinstance(a, Infinity) and isinstance(b, Infinity):
        return a.sign < b.sign
    if isinstance(a, Infinity):
        return a.sign < 0
    if isinstance(b, Infinity):
        return b.sign > 0
    if not isinstance(a, Number) or not isinstance(b, Number):
        raise Undecided("the order of ends in letters")
    return surd.sign(surd.add(a.surd, surd.negate(b.surd))) < 0


def intersection(parts: list[Range]) -> Range | Empty:
    """What several ranges have in common."""
    found = parts[0]
    for part in parts[1:]:
        low, low_open = found.low, found.low_open
        if before(low, part.low):
            low, low_open = part.low, part.low_open
        elif not before(part.low, low):
            low_open = low_open or part.low_open
        high, high_open = found.high, found.high_open
        if before(part.high, high):
            high, high_open = part.high, part.high_open
        elif not before(high, part.high):
            high_open = high_open or part.high_open
        if before(high, low) or (not before(low, high) and (low_open or high_open)):
            return Empty()
        found = Range(low, high, low_open, high_open)
    return found


def letters_as_form(value: Value) -> Form | None:
    """A letter or a short run of them as the product that it can be."""
    if isinstance(value, Symbol):
        return algebra.generator(value.letter)
    if isinstance(value, Spelled) and not value.mark and value.text.isalpha():
        return letters_of(value.text)
    return None


def as_relation(value: Value) -> Relation | None:
    """An assignment as a relation, so that ``y = 2x`` can be ``2x - y = 0``; else None."""
    if isinstance(value, Relation):
        return value
    if not isinstance(value, Named):
        return None
    letter, _, rest = value.name.partition("_")
    if not letter.rstrip("'").isalpha():
        return None
    plain = len(letter.rstrip("'")) == 1 or rest
    name = algebra.generator(value.name) if plain else letters_of(letter)
    inner = value.value
    if isinstance(inner, Number):
        return relation("=", name, algebra.exact(inner.surd), "")
    form = inner.form if isinstance(inner, Symbolic) else letters_as_form(inner)
    return None if form is None else relation("=", name, form, "")


def same_relation(gold: Relation, answer: Relation) -> bool | None:
    """Whether two relations say the same.

    One without letters is true or false and says nothing: it equals no other. None where neither
    a multiple nor a point settles it.
    """
    names, others = _letters(gold.poly), _letters(answer.poly)
    if not names or names != others or gold.sign != answer.sign:
        return False
    multiple = algebra.proportional(gold.poly, answer.poly)
    if gold.sign in "<≤":
        if multiple:
            return multiple > 0
        return False if signs_differ(gold.poly, answer.poly) else None
    if multiple:
        return True
    if misses(gold.poly, answer.poly) or misses(answer.poly, gold.poly):
        return False
    return None


def _letters(poly: Poly) -> set[str]:
    found = all_names(Form(poly, {}))
    return {name for name in found if not isinstance(name, Opaque) and name not in ("e", "i")}


def has_ranges(group: Group) -> bool:
    """Whether a list holds inequalities: ``x > 3 or x < -3`` is a region, not two values."""
    return bool(group.items) and all(
        isinstance(item, Named) and isinstance(item.value, Range) for item in group.items
    )


def intervals(value: Value) -> list[Range] | None:
    """The intervals that a value is the union of, or None."""
    if isinstance(value, Union):
        found = [
            piece
            for part in value.parts
            for piece in (_points(part) if _is_set(part) else [_as_range(part)])
        ]
    elif isinstance(value, Group) and has_ranges(value):
        found = [item.value for item in value.items if isinstance(item, Named)]  # type: ignore[misc]
        if len({item.name for item in value.items if isinstance(item, Named)}) > 1:
            return None
    else:
        found = [_as_range(value)]
    parts = [part for part in found if isinstance(part, Range)]
    return parts if len(parts) == len(found) else None


def _is_set(value: Value) -> bool:
    return isinstance(value, Group) and value.opening == "⦃"


def _points(value: Value) -> list[Range | None]:
    """The numbers of a set as intervals."""
    items = value.items if isinstance(value, Group) else ()
    return [
        Range(item, item, False, False) if isinstance(item, (Number, Symbolic)) else None
        for item in items
    ]


def merged(parts: list[Range]) -> list[Range]:
    """The same region in intervals that neither overlap nor touch, from left to right."""
    left = list(parts)
    found: list[Range] = []
    while left:
        part = left[0]
        for other in left[1:]:
            lower = before(other.low, part.low)
            if lower or (not before(part.low, other.low) and part.low_open > other.low_open):
                part = other
        left.remove(part)
        last = found[-1] if found else None
        if (
            last is None
            or before(last.high, part.low)
            or (not before(part.low, last.high) and last.high_open and part.low_open)
        ):
            found.append(part)
        elif before(last.high, part.high):
            found[-1] = Range(last.low, part.high, last.low_open, part.high_open)
        elif not before(part.high, last.high):
            both = last.high_open and part.high_open
            found[-1] = Range(last.low, last.high, last.low_open, both)
    return found


def _as_range(value: Value) -> Range | None:
    if isinstance(value, Range):
        return value
    if isinstance(value, Group) and value.opening in ("(", "[") and len(value.items) == 2:
        low, high = value.items
        ends = (Number, Symbolic, Infinity)
        if isinstance(low, ends) and isinstance(high, ends):
            return Range(low, high, value.opening == "(", value.closing == ")")
    return None
