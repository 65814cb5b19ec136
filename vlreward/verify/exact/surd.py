r"""Exact real numbers of the form ``sum of c * sqrt(r) * pi^k``.

``c`` is rational, ``r`` a squarefree positive integer and ``k`` an integer. The numbers
``sqrt(r) * pi^k`` are linearly independent over the rationals (pi is transcendental, and square
roots of distinct squarefree integers are independent), so two sums are equal exactly when their
terms are: equality and inequality are decided, not approximated.

A number is a dict from ``(r, k)`` to a reduced fraction ``(numerator, denominator)`` with a
positive denominator; zero is the empty dict. Nothing here modifies a number it was given. Every
operation is bounded by `MAX_TERMS` and `MAX_BITS`.
"""

from __future__ import annotations

from math import gcd, isqrt

__all__ = [
    "MAX_BITS",
    "MAX_TERMS",
    "Malformed",
    "Surd",
    "TooComplex",
    "Undecided",
    "add",
    "check_size",
    "decimal",
    "divide",
    "integer",
    "multiply",
    "negate",
    "rational",
    "scaled",
    "sign",
]

Surd = dict[tuple[int, int], tuple[int, int]]

MAX_TERMS = 24
MAX_BITS = 4096
_MAX_PI_POWER = 16
_MAX_DIGITS = 1000
_MAX_SCALE = 400
_PI_DIGITS = 120
_PI = int(
    "3141592653589793238462643383279502884197169399375105820974944592307816406286208998628034"
    "825342117067982148086513282306647"
)


class TooComplex(Exception):
    """A cap on size was reached."""


class Undecided(Exception):
    """The text is outside the language of this tier."""


class Malformed(Exception):
    """The text has no mathematical value in any reading."""


def rational(numerator: int, denominator: int = 1) -> Surd:
    """The number ``numerator / denominator``; a denominator of zero is `Malformed`."""
    if not denominator:
        raise Malformed("division by zero")
    if not numerator:
        return {}
    if denominator != 1:
        common = gcd(numerator, denominator)
        if denominator < 0:
            common = -common
        numerator //= common
        denominator //= common
    return {(1, 0): (numerator, denominator)}


def check_size(numerator: int, denominator: int) -> None:
    """Raise `TooComplex` for a fraction of too many bits."""
    if numerator.bit_length() > MAX_BITS or denominator.bit_length() > MAX_BITS:
        raise TooComplex(f"a number of more than {MAX_BITS} bits")


def add(a: Surd, b: Surd) -> Surd:
    """``a + b``."""
    if not a:
        return b
    total = dict(a)
    for key, (n, d) in b.items():
        old = total.get(key)
        if old is None:
            total[key] = (n, d)
            continue
        top = old[0] * d + n * old[1]
        if not top:
            del total[key]
            continue
        bottom = old[1] * d
        common = gcd(top, bottom)
        top, bottom = top // common, bottom // common
        check_size(top, bottom)
        total[key] = (top, bottom)
    if len(total) > MAX_TERMS:
        raise TooComplex(f"a sum of more than {MAX_TERMS} terms")
    return total


def negate(a: Surd) -> Surd:
    """``-a``."""
    return {key: (-n, d) for key, (n, d) in a.items()}


def multiply(a: Surd, b: Surd) -> Surd:
    """``a * b``."""
    if len(a) * len(b) > MAX_TERMS * 4:
        raise TooComplex(f"a product of {len(a)} by {len(b)} terms")
    total: Surd = {}
    for (r, j), (n, d) in a.items():
        for (s, k), (m, e) in b.items():
            common_root = gcd(r, s)
            top, bottom = n * m * common_root, d * e
            common = gcd(top, bottom)
            top, bottom = top // common, bottom // common
            check_size(top, bottom)
            root = (r // common_root) * (s // common_root)
            if abs(j + k) > _MAX_PI_POWER or root.bit_length() > 128:
                raise TooComplex("a power of pi or a radicand that is too large")
            term = {(root, j + k): (top, bottom)}
            total = add(total, term) if total else term
    return total


def divide(a: Surd, b: Surd) -> Surd:
    """``a / b``. A divisor of more than two terms, or with mixed powers of pi, is `Undecided`."""
    if not b:
        raise Malformed("division by zero")
    if len(b) == 1:
        (((r, k), (n, d)),) = b.items()
        # 1 / (c sqrt(r) pi^k) = sqrt(r) / (c r pi^k)
        top, bottom = (d, n * r) if n > 0 else (-d, -n * r)
        common = gcd(top, bottom)
        return multiply(a, {(r, -k): (top // common, bottom // common)})
    if len(b) > 2 or len({k for _, k in b}) > 1:
        raise Undecided("a divisor that is a long sum")
    first, (key, value) = tuple(b.items())
    conjugate: Surd = {first[0]: first[1], key: (-value[0], value[1])}
    return divide(multiply(a, conjugate), multiply(b, conjugate))


def scaled(a: Surd, digits: int) -> int:
    """``a * 10**digits`` rounded to an integer, off by far less than one part in 10**40."""
    if a.keys() <= {(1, 0)}:
        n, d = a.get((1, 0), (0, 1))
        return (2 * n * _ten(digits) + d) // (2 * d)
    guard = 50 + max(n.bit_length() for n, _ in a.values()) * 31 // 100
    one = _ten(digits + guard)
    total = 0
    for (r, k), (n, d) in a.items():
        value = isqrt(r * one * one) if r != 1 else one
        for _ in range(abs(k)):
            value = value * _PI // 10**_PI_DIGITS if k > 0 else value * 10**_PI_DIGITS // _PI
        total += value * n // d
    return (2 * total + _ten(guard)) // (2 * _ten(guard))


def _ten(exponent: int) -> int:
    power_of_ten: int = 10**exponent
    return power_of_ten


def sign(a: Surd) -> int:
    """-1, 0 or 1."""
    if not a:
        return 0
    digits = 40 + max(d.bit_length() for _, d in a.values()) * 31 // 100
    value = scaled(a, digits)
    if not value:
        raise Undecided("terms that cancel to many digits")
    return (value > 0) - (value < 0)


def integer(text: str) -> int:
    """The value of a run of digits."""
    if len(text) > _MAX_DIGITS:
        raise TooComplex(f"an integer of more than {_MAX_DIGITS} digits")
    return int(text)


def decimal(text: str) -> tuple[Surd, int | None]:
    """The exact value of ``12.50`` or ``1.5e-3``, and the decimal places that it shows.

    The places are None where the text has neither a decimal point nor a negative exponent.
    """
    if text.endswith("⟩"):
        return _repeating(text), None
    mantissa, _, scale = text.replace("E", "e").partition("e")
    whole, point, decimals = mantissa.partition(".")
    if len(scale) > 6:
        raise TooComplex("an exponent of more than five digits")
    exponent = (int(scale) if scale else 0) - len(decimals)
    if abs(exponent) > _MAX_SCALE:
        raise TooComplex(f"a decimal exponent beyond {_MAX_SCALE}")
    places = max(0, -exponent) if point or exponent < 0 else None
    digits = integer(whole + decimals)
    if exponent >= 0:
        return rational(digits * 10**exponent), places
    return rational(digits, 10**-exponent), places


def _repeating(text: str) -> Surd:
    """``0.1⟨6⟩`` is 0.1666..., exactly."""
    whole, _, rest = text[:-1].partition(".")
    fixed, _, period = rest.partition("⟨")
    nines = (10 ** len(period) - 1) * 10 ** len(fixed)
    return rational(integer(whole + fixed + period) - integer(whole + fixed or "0"), nines)
