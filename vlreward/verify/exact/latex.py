"""What was read, as LaTeX for a computer algebra system."""

from __future__ import annotations

import re

from vlreward.verify.exact.lexer import closing
from vlreward.verify.exact.reader import Reading
from vlreward.verify.exact.surd import Surd
from vlreward.verify.exact.text import GREEK_LETTERS, GREEK_NAMES
from vlreward.verify.exact.values import (
    Choice,
    Empty,
    Equation,
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Relation,
    Spelled,
    Symbol,
    Symbolic,
    Union,
    Value,
)

__all__ = ["readings_of", "to_latex"]

_BACK = {
    "√": "\\sqrt ", "∅": "\\emptyset ", "ℝ": "\\mathbb{R}", "π": "\\pi ", "⦃": "\\{", "⦄": "\\}",
    "∞": "\\infty ", "±": "\\pm ", "∓": "\\mp ", "∪": "\\cup ", "∈": "\\in ", "≤": "\\le ",
    "≥": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "°": "^\\circ ", "∠": "\\angle ",
    "△": "\\triangle ", "%": "\\%", "…": "\\dots ", "∥": "\\parallel ", "⊥": "\\perp ",
}  # fmt: skip
_BACK_TABLE = str.maketrans(_BACK)
_FUNCTION = re.compile(
    r"(?<![\\a-zA-Z])(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|min"
    r"|max|lim)(?![a-zA-Z])"
)
_SQRT = re.compile(r"(?<![\\a-zA-Z])sqrt")
_PI = re.compile(r"(?<![\\a-zA-Z])pi(?![a-zA-Z])")
_LETTERS = str.maketrans({
    letter: f"\\{name} " for name, letter in zip(GREEK_NAMES, GREEK_LETTERS)
})  # fmt: skip
_REPEATING = re.compile(r"(\d*)\.(\d*)⟨(\d+)⟩")
_MATRIX = re.compile("⟦([^⟦⟧]*)⟧")
_THEN_PARENTHESIS = re.compile(r"(√|\^)\s*\(")


def to_latex(text: str) -> str:
    r"""LaTeX for canonical text, with the parentheses after ``√`` and ``^`` turned into braces.

    Examples:
        >>> to_latex("√(x+1)+2^(n-1)+sin(x)")
        '\\sqrt {x+1}+2^{n-1}+\\sin(x)'
    """
    if not text.isascii():
        text = _REPEATING.sub(_fraction, text).translate(_LETTERS)
        text = _MATRIX.sub(_matrix, text)
    text = _SQRT.sub("√", text)
    text = _PI.sub("π", text)
    found = _THEN_PARENTHESIS.search(text)
    while found:
        start = found.end() - 1
        end = closing(text, start, ("(", ")"))
        if end < 0:
            break
        text = f"{text[:start]}{{{text[start + 1 : end]}}}{text[end + 1 :]}"
        found = _THEN_PARENTHESIS.search(text, start)
    return _FUNCTION.sub(r"\\\1", text).translate(_BACK_TABLE)


def _fraction(found: re.Match[str]) -> str:
    """A repeating decimal as a fraction."""
    whole, fixed, period = found.groups()
    top = int(whole + fixed + period) - int(whole + fixed or "0")
    return rf"\frac{{{top}}}{{{(10 ** len(period) - 1) * 10 ** len(fixed)}}}"


def _matrix(found: re.Match[str]) -> str:
    inside = found[1].replace(",", " & ").replace(";", r" \\ ")
    return rf"\begin{{pmatrix}}{inside}\end{{pmatrix}}"


def readings_of(reading: Reading) -> list[str]:
    r"""The readings of a text in LaTeX: of its values where they are known, without units.

    What was understood travels, not what was written: a unit or a currency sign that nobody else
    reads must not make a text unreadable.

    Examples:
        >>> from vlreward.verify.exact.reader import read
        >>> readings_of(read("6√{3}海里")), readings_of(read("x+1"))
        (['6\\sqrt{3}'], ['x+1'])
    """
    if reading.status != "read":
        return [to_latex(reading.text)]
    found = [_latex(value) for value in reading.values]
    return [text for text in found if text]


def _latex(value: Value) -> str | None:
    """LaTeX of a value, or None for one that is no mathematics, such as a word."""
    if isinstance(value, Number):
        return _number(value.surd, value.places is not None)
    if isinstance(value, Symbol):
        return value.letter
    if isinstance(value, Infinity):
        return "\\infty" if value.sign > 0 else "-\\infty"
    if isinstance(value, (Equation, Relation, Symbolic)):
        return to_latex(value.text)
    if isinstance(value, Spelled):
        return None if value.mark else value.text
    if isinstance(value, Empty):
        return "\\emptyset"
    if isinstance(value, Named):
        text = _latex(value.value)
        named = value.name.isascii() and isinstance(value.value, (Number, Symbolic))
        return f"{value.name}={text}" if value.name and named else text
    if isinstance(value, Choice):
        return _latex(value.content[0]) if value.content else to_latex(value.text)
    if isinstance(value, Group) and value.opening == "⟦":
        rows = [row.items for row in value.items if isinstance(row, Group)]
        texts = [_joined([_latex(entry) for entry in row], "", " & ", "") for row in rows]
        return _joined(texts, "\\begin{pmatrix}", " \\\\ ", "\\end{pmatrix}")
    if isinstance(value, Group):
        opening, closing = (
            _BACK.get(bracket, bracket) for bracket in (value.opening, value.closing)
        )
        return _joined([_latex(item) for item in value.items], opening, ",", closing)
    if isinstance(value, Union):
        return _joined([_latex(part) for part in value.parts], "", "\\cup ", "")
    if isinstance(value, Ratio):
        return _joined([_latex(part) for part in value.parts], "", ":", "")
    if isinstance(value, Range):
        opening, closing = "(["[not value.low_open], ")]"[not value.high_open]
        return _joined([_latex(value.low), _latex(value.high)], opening, ",", closing)
    return None


def _joined(parts: list[str | None], opening: str, between: str, closing: str) -> str | None:
    texts = [part for part in parts if part is not None]
    return f"{opening}{between.join(texts)}{closing}" if len(texts) == len(parts) else None


def _number(surd: Surd, decimal: bool) -> str:
    """LaTeX of a number; one that was written as a decimal stays one, and so inexact."""
    terms = []
    for (root, power), (numerator, denominator) in surd.items():
        text = _coefficient(numerator, denominator, decimal)
        text += rf"\sqrt{{{root}}}" if root != 1 else ""
        text += rf"\pi^{{{power}}}" if power else ""
        terms.append(text)
    return "+".join(terms).replace("+-", "-") or "0"


def _coefficient(numerator: int, denominator: int, decimal: bool) -> str:
    if not decimal:
        return f"{numerator}" if denominator == 1 else rf"\frac{{{numerator}}}{{{denominator}}}"
    places = next((n for n in range(1, 41) if not 10**n % denominator), 40)
    digits = f"{abs(numerator) * 10**places // denominator:0{places + 1}d}"
    return f"{'-' if numerator < 0 else ''}{digits[:-places]}.{digits[-places:]}"
