"""Roots and powers of exact numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, isqrt
from typing import TypeVar

from vlreward.verify.exact.surd import (
    MAX_BITS,
    Malformed,
    Surd,
    TooComplex,
    Undecided,
    check_size,
    divide,
    multiply,
    rational,
)

__all__ = ["power", "square_root", "whole_power"]

V = TypeVar("V")

_MAX_EXPONENT = 4096
_PRIMES = tuple(n for n in range(2, 1000) if all(n % p for p in range(2, isqrt(n) + 1)))


def square_root(a: Surd) -> Surd:
    """The square root of a non-negative rational, or of one times an even power of pi."""
    if not a:
        return {}
    if len(a) > 1:
        raise Undecided("the root of a sum")
    (((r, k), (n, d)),) = a.items()
    if r != 1 or k % 2:
        raise Undecided("a nested root")
    if n < 0:
        raise Undecided("the root of a negative number")
    outside, inside = _split_square(n * d)
    common = gcd(outside, d)
    return {(inside, k // 2): (outside // common, d // common)}


def _split_square(n: int) -> tuple[int, int]:
    """``(s, r)`` with ``n = s^2 r`` and ``r`` squarefree."""
    outside, inside = 1, 1
    for p in _PRIMES:
        if p * p > n:
            break
        while n % (p * p) == 0:
            n //= p * p
            outside *= p
        if n % p == 0:
            n //= p
            inside *= p
    root = isqrt(n)
    if root * root == n:
        return outside * root, inside
    # No prime below 1000 is left, so a square factor would make n at least 1009^3.
    if n >= 1009**3:
        raise Undecided("a radicand that is too large to factor")
    return outside, inside * n


def power(base: Surd, exponent: Surd) -> Surd:
    """``base ** exponent`` for an exponent that is an integer or half of one."""
    if not exponent:
        if not base:
            raise Malformed("zero to the power of zero")
        return {(1, 0): (1, 1)}
    if len(exponent) > 1 or (1, 0) not in exponent:
        raise Undecided("an irrational exponent")
    n, d = exponent[1, 0]
    if d == 2:
        base = square_root(base)
    elif d != 1:
        return _rational_power(base, n, d)
    if abs(n) > _MAX_EXPONENT:
        if base in ({}, {(1, 0): (1, 1)}, {(1, 0): (-1, 1)}):
            n = n % 2 + 2 * (n > 0)
        else:
            raise TooComplex(f"an exponent above {_MAX_EXPONENT}")
    if n < 0:
        base, n = divide({(1, 0): (1, 1)}, base), -n
    if base.keys() <= {(1, 0)}:
        top, bottom = base.get((1, 0), (0, 1))
        if max(top.bit_length(), bottom.bit_length()) * n > 2 * MAX_BITS:
            raise TooComplex(f"a power of more than {MAX_BITS} bits")
        top, bottom = top**n, bottom**n
        check_size(top, bottom)
        return {(1, 0): (top, bottom)} if top else {}
    return whole_power(base, n, rational(1), multiply)


def whole_power(base: V, n: int, one: V, multiply: Callable[[V, V], V]) -> V:
    """``base ** n`` for ``n >= 0`` by squaring, in any arithmetic."""
    result = one
    while n:
        if n & 1:
            result = multiply(result, base)
        n >>= 1
        if n:
            base = multiply(base, base)
    return result


def _rational_power(base: Surd, n: int, d: int) -> Surd:
    """``base ** (n / d)`` where `base` is rational and its d-th root is too."""
    if not base:
        return power(base, rational(n))
    if base.keys() != {(1, 0)} or d > 64:
        raise Undecided("a root that is not a square root")
    top, bottom = base[1, 0]
    if top < 0 and d % 2 == 0:
        raise Undecided("the root of a negative number")
    a, b = _integer_root(abs(top), d), _integer_root(bottom, d)
    if a is None or b is None:
        raise Undecided("a root that is not a square root")
    return power({(1, 0): (a if top > 0 else -a, b)}, rational(n))


def _integer_root(value: int, degree: int) -> int | None:
    """The exact root of a non-negative integer, or None where there is none."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None
