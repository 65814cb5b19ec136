"""What may stand to the left of an equals sign, and what is prose."""

from __future__ import annotations

from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.values import Symbol, Word

__all__ = ["FUNCTIONS", "is_name", "name_of", "words_of"]

_IN_NAMES = frozenset("wth\\_'|(){},:/∠△°[]u")


_CONDITIONS = frozenset({"if", "If", "unless", "not", "Not", "no", "never", "when", "When"})
_BEFORE_DIGITS = frozenset({"_", "∠", "△", "angle", "sin", "cos", "tan", "cot"})
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "log", "ln", "exp", "lim", "max", "min", "gcd", "lcm", "mod", "det", "sgn", "sum", "prod",
    "int", "frac", "sqrt", "text", "matrix", "pmatrix", "bmatrix", "vmatrix", "array", "cases",
})  # fmt: skip
"""Runs of letters that are mathematics, not prose."""


def is_name(tokens: list[Token]) -> bool:
    """Whether `tokens` name a quantity: ``x``, ``AB``, ``∠ABC``, ``S_{ABC}``, ``f(2)``, ``A:B``.

    A digit is part of a name only as a subscript, as an argument or after an angle sign or ``tan``;
    with any other, as in ``2x``, the tokens are an expression.
    """
    letters = False
    inside = 0
    before = ""
    for token in tokens:
        kind = token.kind
        if kind == "n":
            if not (inside or before in _BEFORE_DIGITS):
                return False
        elif kind in ("(", "{"):
            if inside or before == "_" or (kind == "(" and before.isalpha()):
                inside += 1
        elif kind in (")", "}"):
            inside -= inside > 0
        elif kind not in _IN_NAMES and kind != "π":
            return False
        elif kind in "wth":
            if token.text.strip() in _CONDITIONS:
                return False
            letters = True
        elif kind == "\\":
            letters = letters or len(token.text) > 2
        before = token.text.lower() if kind == "w" else kind
    return letters


def name_of(tokens: list[Token]) -> str:
    """The name, for comparison with another; empty where it is in words."""
    if any(token.kind in "th" for token in tokens):
        return ""
    words = [token.text for token in tokens if token.kind == "w" and token.text != "angle"]
    if len(words) > 1 and any(len(word) > 3 for word in words):
        return ""
    if any(len(word) > 4 for word in words):
        return ""
    parts: list[str] = []
    inside = False
    for before, token in zip([None, *tokens], tokens):
        if token.kind == "(" and before is not None and before.kind == "w":
            inside = True
        elif token.kind == ")":
            inside = False
        # The letter that a function is written in is no part of its name: W(n) is W(x).
        elif (
            token.kind in "wn_\\:" and token.text != "angle" and not (inside and token.kind == "w")
        ):
            parts.append(token.text)
    return "".join(parts)


def words_of(tokens: list[Token]) -> tuple[Word | Symbol] | None:
    """The prose that `tokens` are, as a tuple of one, or None where they may be mathematics.

    Latin letters are prose when they are set as text or when a run of them is longer than three
    and no function; Chinese characters always are.
    """
    prose = False
    for token in tokens:
        if token.kind in "ht":
            prose = True
        elif token.kind == "w":
            prose = prose or (len(token.text) > 3 and token.text.lower() not in FUNCTIONS)
        elif token.kind not in "'u-":
            return None
    if not prose:
        if len(tokens) == 1 and tokens[0].kind == "w" and len(tokens[0].text) == 1:
            return (Symbol(tokens[0].text),)
        return None
    text = " ".join(token.text.strip() for token in tokens).lower()
    return (Word(" ".join(text.split())),)
