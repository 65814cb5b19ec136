"""From text to values: canonical text, tokens, expressions, names, units, statements."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.latex import to_latex
from vlreward.verify.exact.lexer import tokenize
from vlreward.verify.exact.names import is_name, name_of
from vlreward.verify.exact.reader import read
from vlreward.verify.exact.surd import TooComplex, scaled
from vlreward.verify.exact.text import canonical_text, without_phrases
from vlreward.verify.exact.units import Unit, parse_unit
from vlreward.verify.exact.values import Group, Named, Number, Symbolic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("１２．５", "12.5"),
        ("−5", "-5"),
        ("3 × 4 ÷ 2", "3 * 4 / 2"),
        ("cm²", "cm^{2}"),
        ("10⁻⁷", "10^{-7}"),
        ("30⁰", "30°"),
        ("30º", "30°"),
        (r"30^\circ", "30°"),
        (r"30^{\circ}", "30°"),
        ("3½", "3 1/2"),
        ("㎡", "m^2"),
        (r"\left(\dfrac{1}{2}\right)", r"(\frac{1}{2})"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"$$\mathrm{cm}$$", "cm"),
        (r"14{,}916", "14916"),
        (r"32,\! 349", "32 349"),
        (r"\\frac{1}{2}", r"\frac{1}{2}"),
        ("**5**", "5"),
        ("“5”", "“5”"),
        ("(5).", "(5)"),
        (".5", ".5"),
        ("x <= 3", "x ≤ 3"),
        ("2**3", "2^3"),
    ],
)
def test_canonical_text(text: str, expected: str) -> None:
    assert canonical_text(text) == expected


def test_canonical_text_is_capped_before_and_after_decomposition() -> None:
    with pytest.raises(TooComplex, match="513 characters, more than 512"):
        canonical_text("1" * 513)
    with pytest.raises(TooComplex, match="when decomposed"):
        canonical_text("\ufdfa" * 500)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is 12", "12"),
        ("Final Answer: The largest n is 34", "34"),
        ("Therefore, the length of AB is 5 cm", "5 cm"),
        ("面积为12平方厘米", "12平方厘米"),
        ("答案:5", "5"),
        ("x is not 5", "not 5"),
        ("approximately 5", "5"),
        ("x + 1", "x + 1"),
        ("is", "is"),
    ],
)
def test_without_phrases(text: str, expected: str) -> None:
    assert without_phrases(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("2 - 3 - 4", -5),
        ("12 / 3 / 2", 2),
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2^{-1}", 0.5),
        ("(1 + 2)(3)", 9),
        ("|2 - 5|", 3),
        ("5!", 120),
        ("3!!", None),
        ("1/2π", math.pi / 2),
        ("2/3√3", 2 / 3 * math.sqrt(3)),
        (r"\frac12", 0.5),
        (r"\frac{1}2", 0.5),
        (r"\sqrt[3]{8}", 2),
        (r"\sqrt\frac{1}{4}", 0.5),
        ("√2√3", math.sqrt(6)),
        ("√12", 2 * math.sqrt(3)),
        ("1.5e3", 1500),
        ("1.5×10^3", 1500),
        ("7,425,000", 7425000),
        ("1 000 000", 1000000),
        ("1.234,5", 1234.5),
        ("3 1/2", 3.5),
        ("-3 1/2", -3.5),
        (r"3\frac{1}{2}", 3.5),
        ("3 4 5", "malformed"),
        ("2 3/2", "malformed"),
        ("1/0", "malformed"),
        ("0^0", "malformed"),
        ("√(-1)", "letters"),
        ("√(2+√3)", "letters"),
        ("2--3", 5),
        ("2---3", None),
        ("((1)", None),
        ("()", None),
        ("5 6°", "malformed"),
        (r"5\frac{3}{2}", "malformed"),
    ],
)
def test_expressions(text: str, value: float | str | None) -> None:
    reading = read(text)
    if value == "letters":
        assert reading.status == "read"
        assert isinstance(reading.values[0], Symbolic)
        return
    if value is None or isinstance(value, str):
        assert reading.status == (value or "undecided")
        return
    assert reading.status == "read"
    numbers = [found for found in reading.values if isinstance(found, Number)]
    assert any(math.isclose(scaled(n.surd, 20) / 10**20, value, rel_tol=1e-12) for n in numbers)


_expression = st.recursive(
    st.integers(0, 60).map(str) | st.sampled_from(["2.5", "0.125", "π", "√{2}", "√{3}"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(inner, st.integers(1, 9)).map(lambda t: rf"\frac{{{t[0]}}}{{{t[1]}}}"),
        inner.map(lambda text: f"{{({text})}}^{{2}}"),
        inner.map(lambda text: f"(-{text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(_expression)
def test_random_expressions_agree_with_sympy(text: str) -> None:
    import re

    import sympy

    python = text.replace("√{2}", "sqrt(2)").replace("√{3}", "sqrt(3)").replace("π", "pi")
    while "\\frac" in python:  # the innermost fraction first; its numerator has no other braces
        python = re.sub(r"\\frac\{([^{}\\]*)\}\{(\d+)\}", r"((\1)/\2)", python, count=1)
        python = re.sub(r"\{(\([^{}\\]*\))\}\^\{2\}", r"(\1)**2", python)
    python = re.sub(r"\{(\([^{}\\]*\))\}\^\{2\}", r"(\1)**2", python)
    while "^{2}" in python:
        python = re.sub(r"\{(\([^{}\\]*\))\}\^\{2\}", r"(\1)**2", python)
    expected = sympy.sympify(python, rational=True)
    reading = read(text)
    assert reading.status == "read", reading
    (number,) = reading.values
    assert isinstance(number, Number)
    ours = sum(
        sympy.Rational(n, d) * sympy.sqrt(r) * sympy.pi**k for (r, k), (n, d) in number.surd.items()
    )
    assert sympy.simplify(sympy.expand(ours - expected)) == 0


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("cm", ("length", 1, 100)),
        ("cm^{2}", ("area", 1, 10_000)),
        ("cm^2", ("area", 1, 10_000)),
        ("square meters", ("area", 1, 1)),
        ("平方厘米", ("area", 1, 10_000)),
        ("立方米", ("volume", 1, 1)),
        ("mL", ("volume", 1, 10**6)),
        ("km/h", ("speed", 5, 18)),
        ("米/秒", ("speed", 1, 1)),
        ("m per s", ("speed", 1, 1)),
        ("小时", ("time", 3600, 1)),
        ("nautical miles", ("length", 1852, 1)),
        ("海里", ("length", 1852, 1)),
        ("degrees", ("angle", 1, 1)),
        ("度", ("angle", 1, 1)),
        (" inches", ("length", 127, 5_000)),
        ("kg", ("mass", 1000, 1)),
        ("元", ("yuan", 1, 1)),
        ("apples", ("other:apple", 1, 1)),
        ("个苹果", ("other:个苹果", 1, 1)),
    ],
)
def test_units(text: str, unit: tuple[str, int, int]) -> None:
    assert parse_unit(text, upright=True) == (Unit(*unit),)


def test_what_is_no_unit() -> None:
    assert parse_unit("units", upright=True) == (None,)
    assert parse_unit("x", upright=True) is None
    assert parse_unit("or more", upright=True) is None
    assert parse_unit("h", upright=False) is None
    assert parse_unit("h", upright=True) == (Unit("time", 3600),)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x", "x"), ("AB", "AB"), ("∠ABC", "ABC"), ("angle ABC", "ABC"), ("x_{1}", "x_1"),
        ("S_{ABC}", "S_ABC"), ("f(2)", "f2"), ("W(n)", "W"), ("A:B", "A:B"), ("∠1", "1"),
        ("the area", ""), ("面积", ""), ("tan 60°", "tan60"), ("2x", None), ("x^2", None),
        ("x+y", None), ("5", None), ("|AB|", "AB"),
    ],
)  # fmt: skip
def test_names(text: str, name: str | None) -> None:
    tokens = tokenize(text)
    assert is_name(tokens) == (name is not None)
    if name is not None:
        assert name_of(tokens) == name


def test_a_comma_is_read_both_ways() -> None:
    number, pair = read("1,55").values
    assert isinstance(number, Number)
    assert number.surd == {(1, 0): (31, 20)}
    assert isinstance(pair, Group)
    assert len(pair.items) == 2
    assert len(read("(1,55)").values) == 1
    assert (read("1,5").doubtful, read("1,55").doubtful, read("0,5").doubtful) == (
        True,
        False,
        False,
    )


def test_statements_keep_names() -> None:
    (value,) = read("AB = 3 * 4 = 12").values
    assert isinstance(value, Named)
    assert value.name == "AB"
    assert isinstance(value.value, Number)
    assert value.value.surd == {(1, 0): (12, 1)}


def test_caps_of_the_lexer() -> None:
    with pytest.raises(TooComplex, match="nested deeper than 32"):
        tokenize("(" * 33)
    with pytest.raises(TooComplex, match="more than 256 tokens"):
        tokenize("1+" * 129)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("√(x+1)", r"\sqrt {x+1}"),
        ("sqrt(2)x", r"\sqrt {2}x"),
        ("x^(n+(1))", "x^{n+(1)}"),
        ("sin(x)+ln x", r"\sin(x)+\ln x"),
        ("⦃x⦄", r"\{x\}"),
        ("√(x", r"\sqrt (x"),
        ("1+α", r"1+\alpha "),
        ("0.1⟨6⟩", r"\frac{15}{90}"),
        ("⟦1,2;3,4⟧", r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}"),
    ],
)
def test_to_latex(text: str, latex: str) -> None:
    assert to_latex(text) == latex


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x+2^{10^{10}}", "an exponent that is a power of numbers"),
        ("x^{y^{z^{2}}}", "a tower of powers"),
        ("x^{123456}", "an exponent of more than 4 digits"),
        ("x^{5!}", "a factorial in an exponent"),
        ("x+10^6!", "a factorial in an exponent"),
        ("x+((20!)!)!", "a factorial of a factorial"),
        ("x+5000!", "the factorial of a number above 500"),
        ("x+(2^n)!", "the factorial of a power"),
        ("99!!! + x", "a repeated factorial of a number above 500"),
        ("3!!!!", "a repeated factorial of a number above 500"),
        ("5!! + 3! !", None),
        (r"\sum_{k=1}^{10^7} k", "a sum or product with a power for a limit"),
        (r"\prod_{k=1}^{1000000} k", "a sum or product with a large number"),
        (r"\int \int \int \int x dx", "more than three sums, products or integrals"),
        ("x+1e9999", "an exponent of more than 4 digits"),
        ("x," * 70, "more than 64 elements"),
        ("x" + "(" * 40, "brackets nested deeper than 32"),
        ("x+" + "9" * 201, "an integer of more than 200 digits"),
        (r"\int x^{7}\sin(x^3)\sqrt{1+x^{5}} dx", None),
        ("(x+1)^{2}", None),
        ("x^{y^{2}}", None),
        ("n!", None),
        (r"\binom{n}{k} + 5!", None),
    ],
)
def test_bombs_are_recognised(text: str, reason: str | None) -> None:
    assert complexity(text) == reason


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=80)
    | st.text(alphabet="0123456789+-*/^_(){}[]√π\\,.;:=<>≈%°! xyfrac", max_size=80)
)
def test_no_text_raises(text: str) -> None:
    reading = read(text)
    assert reading.status in ("read", "undecided", "too_complex", "malformed", "empty")
    assert isinstance(to_latex(reading.text), str)
    complexity(reading.text)
