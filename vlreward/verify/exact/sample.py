"""Forms at points: what tells two of them apart where exact arithmetic cannot.

A difference at a point is a proof of inequality, as long as it is far above what rounding can
explain; agreement proves nothing and is never taken for equality here.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable

from vlreward.verify.exact.algebra import Form, Opaque, Poly, generators
from vlreward.verify.exact.surd import Surd

__all__ = ["all_names", "constant_value", "differs", "misses", "signs_differ"]

_POINTS = (1, 2, 3)
_MARGIN = 1e-6  # of the largest term: ten digits above the rounding of a double
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log, "exp": cmath.exp,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "sinh": cmath.sinh,
    "cosh": cmath.cosh, "tanh": cmath.tanh, "abs": lambda z: complex(abs(z)),
    "cot": lambda z: 1 / cmath.tan(z), "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z),
}  # fmt: skip
_FAILURES = (ArithmeticError, ValueError, KeyError)  # no value there, or none that is known


def _number(value: Surd) -> float:
    return sum(n / d * math.sqrt(r) * math.pi**k for (r, k), (n, d) in value.items())


def _letter(name: str, point: int) -> complex:
    if name == "i":
        return 1j
    if name == "e":
        return math.e
    return 0.6 + zlib.crc32(f"{name} {point}".encode()) % 9973 / 6000


def _generator(name: str, point: int) -> complex:
    if not isinstance(name, Opaque):
        return _letter(name, point)
    values = [_form(argument, point) for argument in name.arguments]
    if name.function == "power":
        return values[0] ** values[1]
    if name.function == "log":
        return cmath.log(values[1]) / cmath.log(values[0])
    if name.function.startswith("call "):
        # As the product that f(x) could be: what differs as one differs as a function.
        return math.prod(values, start=_letter(name.function, point))
    return _FUNCTIONS[name.function](values[0])


def _form(form: Form, point: int) -> complex:
    return _poly(form.top, point)[0] / _poly(form.bottom, point)[0]


def _poly(poly: Poly, point: int) -> tuple[complex, float]:
    """The value, and the size of its largest part."""
    total, size = 0j, 0.0
    for monomial, coefficient in poly.items():
        term: complex = complex(_number(coefficient))
        size = max(size, sum(abs(_number({key: part})) for key, part in coefficient.items()))
        for name, exponent in monomial:
            factor = _generator(name, point)
            size = max(size, abs(factor))
            term *= factor ** (exponent if isinstance(exponent, int) else float(exponent))
        total += term
        size = max(size, abs(term))
    if not (cmath.isfinite(total) and size < 1e12):
        raise OverflowError("too large to tell rounding from a difference")
    return total, size


def _nonzero(poly: Poly, point: int) -> bool | None:
    try:
        value, size = _poly(poly, point)
    except _FAILURES:
        return None
    return abs(value) > _MARGIN * size


def differs(poly: Poly) -> bool:
    """Whether a polynomial is certainly not zero everywhere."""
    return any(_nonzero(poly, point) for point in _POINTS)


def constant_value(form: Form) -> float | None:
    """The value of a real form without letters, or None."""
    try:
        value = _form(form, 1)
    except _FAILURES:
        return None
    if any(not isinstance(name, Opaque) and name not in ("e", "i") for name in all_names(form)):
        return None
    if abs(value.imag) > 1e-9 * abs(value):
        return None
    return value.real


def all_names(form: Form) -> set[str]:
    """The names in a form, and in the arguments of its opaque terms."""
    found = generators(form)
    for name in list(found):
        if isinstance(name, Opaque):
            for argument in name.arguments:
                found |= all_names(argument)
    return found


def misses(first: Poly, second: Poly) -> bool:
    """Whether a point where `first` is zero is certainly none where `second` is.

    The point is found where `first` is linear in one of its letters.
    """
    names = {name for monomial in first for name, _ in monomial}
    inside = set[str]()
    for name in names:
        if isinstance(name, Opaque):
            for argument in name.arguments:
                inside |= all_names(argument)
    for name in sorted(names - inside):
        if isinstance(name, Opaque) or name in ("e", "i"):
            continue
        if all(exponent == 1 for m in first for other, exponent in m if other == name):
            return any(_misses(first, second, name, point) for point in _POINTS)
    return False


def _misses(first: Poly, second: Poly, name: str, point: int) -> bool:
    slope: Poly = {}
    rest: Poly = {}
    for monomial, value in first.items():
        without = tuple(part for part in monomial if part[0] != name)
        (rest if len(without) == len(monomial) else slope)[without] = value
    try:
        root = -_poly(rest, point)[0] / _poly(slope, point)[0]
        # `second` at that point: its terms, with the letter's powers put in by hand.
        total, size = 0j, 1.0
        for monomial, value in second.items():
            without = tuple(part for part in monomial if part[0] != name)
            if any(isinstance(other, Opaque) and name in all_names(Form({((other, 1),): value}, {}))
                   for other, _ in without):  # fmt: skip
                return False
            term = _poly({without: value}, point)[0]
            for other, exponent in monomial:
                if other == name:
                    term *= root ** (exponent if isinstance(exponent, int) else float(exponent))
            total += term
            size = max(size, abs(term))
    except _FAILURES:
        return False
    return cmath.isfinite(total) and size < 1e12 and abs(total) > _MARGIN * size


def signs_differ(first: Poly, second: Poly) -> bool:
    """Whether two real polynomials certainly have different signs at some point."""
    for point in _POINTS:
        try:
            (a, size), (b, other) = _poly(first, point), _poly(second, point)
        except _FAILURES:
            continue
        clear = min(abs(a.real) / size, abs(b.real) / other) > _MARGIN
        if clear and not (a.imag or b.imag) and (a.real > 0) != (b.real > 0):
            return True
    return False
