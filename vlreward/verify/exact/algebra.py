r"""Rational functions in letters and opaque terms, with exact coefficients.

A form is a fraction of two polynomials. A polynomial is a dict from a monomial, a sorted tuple of
``(generator, exponent)``, to its coefficient, an exact number of `surd`. Generators are letters
with their subscripts, ``e``, ``i``, and opaque terms such as ``sin(x)``, whose name begins with
``\`` and is spelled from the form of their argument. Letters, roots and powers of pi are
independent of one another, so without opaque terms two forms are equal exactly when the cross
product of their difference is empty: nothing is approximated. Every operation is bounded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from vlreward.verify.exact import surd
from vlreward.verify.exact.powers import power as exact_power
from vlreward.verify.exact.powers import square_root as exact_root
from vlreward.verify.exact.powers import whole_power
from vlreward.verify.exact.surd import Malformed, Surd, TooComplex, Undecided

__all__ = [
    "Form",
    "Monomial",
    "Opaque",
    "Poly",
    "absolute",
    "add",
    "constant",
    "constant_of",
    "difference",
    "divide",
    "exact",
    "generator",
    "generators",
    "multiply",
    "negate",
    "opaque",
    "power",
    "proportional",
    "square_root",
]

Exponent = int | Fraction
Monomial = tuple[tuple[str, Exponent], ...]
Poly = dict[Monomial, Surd]

_MAX_TERMS = 128
_MAX_PRODUCTS = 2048
_MAX_DEGREE = 64
_MAX_NAME = 400
_ONE: Poly = {(): {(1, 0): (1, 1)}}


class Opaque(str):
    r"""The name of an opaque term, with what it is the value of."""

    function: str
    arguments: tuple[Form, ...]


class Form(NamedTuple):
    """A fraction of two polynomials; zero is an empty `top`."""

    top: Poly
    bottom: Poly


def exact(value: Surd) -> Form:
    """A number as a form."""
    return Form({(): value} if value else {}, _ONE)


def constant(numerator: int, denominator: int = 1) -> Form:
    """The number ``numerator / denominator``."""
    return exact(surd.rational(numerator, denominator))


def generator(name: str) -> Form:
    """A letter, or an opaque term by its name."""
    return Form({((name, 1),): {(1, 0): (1, 1)}}, _ONE)


def opaque(name: str, *arguments: Form) -> Form:
    r"""The opaque term ``\name(arguments)``."""
    text = "\\" + name + "(" + ";".join(_spelled(argument) for argument in arguments) + ")"
    if len(text) > _MAX_NAME:
        raise TooComplex("a term that is too long")
    found = Opaque(text)
    found.function, found.arguments = name, arguments
    return generator(found)


def _spelled(form: Form) -> str:
    parts = []
    for poly in form:
        terms = sorted((str(monomial), str(sorted(c.items()))) for monomial, c in poly.items())
        parts.append("+".join(f"{c}{m}" for m, c in terms))
    return parts[0] if form.bottom == _ONE else "/".join(parts)


def generators(form: Form) -> set[str]:
    """The names in a form."""
    return {name for poly in form for monomial in poly for name, _ in monomial}


def constant_of(form: Form) -> Surd | None:
    """The number that a form is, or None."""
    if form.bottom != _ONE or not form.top.keys() <= {()}:
        return None
    return form.top.get((), {})


def _sum(a: Poly, b: Poly) -> Poly:
    total = dict(a)
    for monomial, value in b.items():
        old = total.get(monomial)
        new = value if old is None else surd.add(old, value)
        if new:
            total[monomial] = new
        else:
            del total[monomial]
    if len(total) > _MAX_TERMS:
        raise TooComplex(f"a polynomial of more than {_MAX_TERMS} terms")
    return total


def _product(a: Poly, b: Poly) -> Poly:
    if b is _ONE or b == _ONE:
        return a
    if a == _ONE:
        return b
    if len(a) * len(b) > _MAX_PRODUCTS:
        raise TooComplex(f"a product of {len(a)} by {len(b)} terms")
    total: Poly = {}
    for first, value in a.items():
        for second, other in b.items():
            monomial, sign = _joined(first, second)
            coefficient = surd.multiply(value, other)
            if sign < 0:
                coefficient = surd.negate(coefficient)
            old = total.get(monomial)
            new = coefficient if old is None else surd.add(old, coefficient)
            if new:
                total[monomial] = new
            else:
                del total[monomial]
        if len(total) > _MAX_TERMS:
            raise TooComplex(f"a polynomial of more than {_MAX_TERMS} terms")
    return total


def _joined(a: Monomial, b: Monomial) -> tuple[Monomial, int]:
    """The product of two monomials, with the sign that the square of ``i`` gives."""
    if not a or not b:
        return a or b, 1
    exponents: dict[str, Exponent] = dict(a)
    for name, exponent in b:
        exponents[name] = exponents.get(name, 0) + exponent
    sign = 1
    turns = exponents.get("i", 0)
    if isinstance(turns, int) and not 0 <= turns <= 1:
        sign = 1 if turns % 4 in (0, 1) else -1
        exponents["i"] = turns % 2
    found = tuple((name, exponents[name]) for name in sorted(exponents) if exponents[name])
    if not all(-_MAX_DEGREE <= exponent <= _MAX_DEGREE for _, exponent in found):
        raise TooComplex(f"a degree above {_MAX_DEGREE}")
    return found, sign


def add(a: Form, b: Form) -> Form:
    """``a + b``."""
    if a.bottom == b.bottom:
        return Form(_sum(a.top, b.top), a.bottom)
    top = _sum(_product(a.top, b.bottom), _product(b.top, a.bottom))
    return Form(top, _product(a.bottom, b.bottom))


def negate(a: Form) -> Form:
    """``-a``."""
    return Form({monomial: surd.negate(value) for monomial, value in a.top.items()}, a.bottom)


def multiply(a: Form, b: Form) -> Form:
    """``a * b``."""
    return _divided(_product(a.top, b.top), _product(a.bottom, b.bottom))


def divide(a: Form, b: Form) -> Form:
    """``a / b``."""
    if not b.top:
        raise Malformed("division by zero")
    return _divided(_product(a.top, b.bottom), _product(a.bottom, b.top))


def _divided(top: Poly, bottom: Poly) -> Form:
    """A fraction; a denominator of one term moves into the numerator."""
    if len(bottom) == 1 and bottom != _ONE:
        (((monomial, value)),) = bottom.items()
        if not any(name == "i" for name, _ in monomial):
            inverse = tuple((name, -exponent) for name, exponent in monomial)
            return Form(_product(top, {inverse: surd.divide(surd.rational(1), value)}), _ONE)
    return Form(top, bottom)


def power(base: Form, exponent: Form) -> Form:
    """``base ** exponent``; the parts of an exponent in letters become opaque powers."""
    number = constant_of(exponent)
    if number is not None and number.keys() <= {(1, 0)}:
        n, d = number.get((1, 0), (0, 1))
        return _rational_power(base, n, d)
    if exponent.bottom != _ONE:
        return opaque("power", base, exponent)
    result = constant(1)
    for monomial, value in exponent.top.items():
        if value.keys() <= {(1, 0)}:
            n, d = value[1, 0]
            if not monomial:
                result = multiply(result, _rational_power(base, n, d))
                continue
            part = opaque("power", base, Form({monomial: surd.rational(1)}, _ONE))
            result = multiply(result, _rational_power(part, n, d))
        else:
            result = multiply(result, opaque("power", base, Form({monomial: value}, _ONE)))
    return result


def _rational_power(base: Form, n: int, d: int) -> Form:
    number = constant_of(base)
    if number is not None:
        try:
            return exact(exact_power(number, surd.rational(n, d)))
        except Undecided:
            if d == 1:
                raise
            if d % 2 and number.keys() == {(1, 0)} and number[1, 0][0] < 0:  # the real root
                root = _rational_power(negate(base), n, d)
                return negate(root) if n % 2 else root
            return opaque("power", base, constant(n, d))
    if d != 1:
        return _root_power(base, n, d)
    if abs(n) > _MAX_DEGREE:
        raise TooComplex(f"a degree above {_MAX_DEGREE}")
    if n < 0:
        base, n = divide(constant(1), base), -n
    return whole_power(base, n, constant(1), multiply)


def _root_power(base: Form, n: int, d: int) -> Form:
    """A root: of a product of letters part by part, of anything else as an opaque term."""
    if base.bottom == _ONE and len(base.top) == 1 and d <= 12:
        (((monomial, value)),) = base.top.items()
        # The root of a square is an absolute value, which is no power.
        whole = all(isinstance(e, int) and e % 2 and name != "i" for name, e in monomial)
        if whole and value.keys() == {(1, 0)} and value[1, 0][0] > 0:
            outside = _rational_power(exact(value), n, d)
            inside = tuple((name, _reduced(Fraction(e * n, d))) for name, e in monomial)
            return multiply(outside, Form({inside: surd.rational(1)}, _ONE))
    root = opaque("power", base, constant(1, d))
    return _rational_power(root, n, 1)


def _reduced(value: Fraction) -> Exponent:
    return value.numerator if value.denominator == 1 else value


def square_root(a: Form) -> Form:
    """The square root."""
    number = constant_of(a)
    if number is not None:
        try:
            return exact(exact_root(number))
        except Undecided:
            if number.keys() == {(1, 0)} and number[1, 0][0] < 0:
                return multiply(generator("i"), square_root(negate(a)))
    return _root_power(a, 1, 2)


def absolute(a: Form) -> Form:
    """The absolute value: of letters an opaque term."""
    number = constant_of(a)
    if number is not None:
        return negate(a) if surd.sign(number) < 0 else a
    first = min(a.top, default=())
    value = a.top.get(first, {})
    if value and surd.sign(value) < 0:  # |1-x| is |x-1|
        a = negate(a)
    return opaque("abs", a)


def difference(a: Form, b: Form) -> Poly:
    """A polynomial that is zero exactly where the forms are equal."""
    minus = {monomial: surd.negate(value) for monomial, value in b.top.items()}
    if a.bottom == b.bottom:
        return _sum(a.top, minus)
    return _sum(_product(a.top, b.bottom), _product(minus, a.bottom))


def proportional(a: Poly, b: Poly) -> int:
    """1 or -1 where `a` is a positive or negative multiple of `b`, else 0."""
    if a.keys() != b.keys() or not a:
        return 0
    monomial = next(iter(a))
    first, second = a[monomial], b[monomial]
    for other in a:
        if surd.multiply(a[other], second) != surd.multiply(b[other], first):
            return 0
    return surd.sign(first) * surd.sign(second)
