"""Exact arithmetic against sympy and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.verify.exact import powers, surd
from vlreward.verify.exact.surd import Malformed, Surd, TooComplex, Undecided

small = st.integers(-40, 40)
terms = st.dictionaries(
    st.tuples(st.sampled_from([1, 2, 3, 5, 6, 10]), st.integers(-2, 2)),
    st.fractions(max_denominator=20).filter(lambda value: value != 0 and abs(value) < 1000),
    max_size=3,
)
surds = terms.map(lambda found: {key: (c.numerator, c.denominator) for key, c in found.items()})


def _float(value: Surd) -> float:
    return sum(n / d * math.sqrt(r) * math.pi**k for (r, k), (n, d) in value.items())


def _sympy(value: Surd) -> object:
    import sympy

    return sum(
        sympy.Rational(n, d) * sympy.sqrt(r) * sympy.pi**k for (r, k), (n, d) in value.items()
    )


@settings(max_examples=30, deadline=None)
@given(surds, surds)
def test_sums_and_products_agree_with_floats(a: Surd, b: Surd) -> None:
    for ours, theirs in (
        (surd.add(a, b), _float(a) + _float(b)),
        (surd.multiply(a, b), _float(a) * _float(b)),
        (surd.negate(a), -_float(a)),
    ):
        assert math.isclose(_float(ours), theirs, rel_tol=1e-9, abs_tol=1e-6)


@settings(max_examples=30, deadline=None)
@given(surds, surds, surds)
def test_ring_laws_hold_exactly(a: Surd, b: Surd, c: Surd) -> None:
    assert surd.add(a, b) == surd.add(b, a)
    assert surd.multiply(a, b) == surd.multiply(b, a)
    left = surd.multiply(a, surd.add(b, c))
    assert left == surd.add(surd.multiply(a, b), surd.multiply(a, c))
    assert surd.add(a, surd.negate(a)) == {}


@settings(max_examples=30, deadline=None)
@given(surds, surds)
def test_division_undoes_multiplication_or_is_undecided(a: Surd, b: Surd) -> None:
    if not b:
        with pytest.raises(Malformed, match="division by zero"):
            surd.divide(a, b)
        return
    try:
        quotient = surd.divide(a, b)
    except Undecided:
        assert len(b) > 1
        return
    assert surd.multiply(quotient, b) == a


@settings(max_examples=30, deadline=None)
@given(st.fractions(min_value=0, max_denominator=500).filter(lambda value: value < 10**6))
def test_square_roots_square_to_what_they_are_the_root_of(value: Fraction) -> None:
    number = surd.rational(value.numerator, value.denominator)
    root = powers.square_root(number)
    assert surd.multiply(root, root) == number
    for r, _ in root:
        assert all(r % (p * p) for p in range(2, 1000)), "the radicand is not squarefree"


@settings(max_examples=30, deadline=None)
@given(surds)
def test_scaled_and_sign_agree_with_sympy(value: Surd) -> None:
    import sympy

    exact = sympy.sympify(_sympy(value)).evalf(60)
    assert surd.sign(value) == sympy.sign(exact)
    assert abs(surd.scaled(value, 30) - exact * 10**30) <= 1


def test_pi_to_a_hundred_digits() -> None:
    import mpmath

    with mpmath.workdps(130):
        assert surd.scaled({(1, 1): (1, 1)}, 100) == int(mpmath.nint(mpmath.pi * 10**100))


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        ((4, 1), (1, 2), {(1, 0): (2, 1)}),
        ((8, 1), (1, 2), {(2, 0): (2, 1)}),
        ((1, 2), (1, 2), {(2, 0): (1, 2)}),
        ((8, 27), (2, 3), {(1, 0): (4, 9)}),
        ((-8, 1), (1, 3), {(1, 0): (-2, 1)}),
        ((2, 1), (-3, 1), {(1, 0): (1, 8)}),
        ((0, 1), (3, 1), {}),
        ((1, 1), (10**9, 1), {(1, 0): (1, 1)}),
        ((-1, 1), (10**9 + 1, 1), {(1, 0): (-1, 1)}),
        ((7, 1), (0, 1), {(1, 0): (1, 1)}),
    ],
)
def test_powers(base: tuple[int, int], exponent: tuple[int, int], expected: Surd) -> None:
    assert powers.power(surd.rational(*base), surd.rational(*exponent)) == expected


@pytest.mark.parametrize(
    ("base", "exponent", "error"),
    [
        ((2, 1), (10**10, 1), TooComplex),
        ((10**300, 1), (300, 1), TooComplex),
        ((0, 1), (0, 1), Malformed),
        ((0, 1), (-1, 1), Malformed),
        ((2, 1), (1, 3), Undecided),
        ((-4, 1), (1, 2), Undecided),
        ((-8, 1), (1, 4), Undecided),
    ],
)
def test_powers_outside_the_language(
    base: tuple[int, int], exponent: tuple[int, int], error: type[Exception]
) -> None:
    with pytest.raises(error):
        powers.power(surd.rational(*base), surd.rational(*exponent))


def test_caps() -> None:
    wide: Surd = {(1, k): (1, 1) for k in range(-10, 14)}
    with pytest.raises(TooComplex, match="a sum of more than 24 terms"):
        surd.add(wide, {(2, 0): (1, 1)})
    with pytest.raises(TooComplex, match="a product of 24 by 24 terms"):
        surd.multiply(wide, wide)
    with pytest.raises(TooComplex, match="more than 4096 bits"):
        surd.multiply(surd.rational(2**3000), surd.rational(3**2000))
    with pytest.raises(Undecided, match="too large to factor"):
        powers.square_root(surd.rational((10**9 + 7) * (10**9 + 9)))
