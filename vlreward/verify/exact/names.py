"""What may stand to the left of an equals sign, and what is prose."""

from __future__ import annotations

from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.values import Spelled, Symbol, Word

__all__ = ["FUNCTIONS", "STOP_WORDS", "is_name", "is_prose", "name_of", "words_of"]

_IN_NAMES = frozenset("wh\\_'|(){},:/∠△°[]u")


_CONDITIONS = frozenset({"if", "If", "unless", "not", "Not", "no", "never", "when", "When"})
_BEFORE_DIGITS = frozenset({"_", "∠", "△", "angle", "sin", "cos", "tan", "cot"})
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "log", "ln", "exp", "lim", "max", "min", "gcd", "lcm", "mod", "det", "sgn", "sum", "prod",
    "int", "frac", "sqrt", "text", "matrix", "pmatrix", "bmatrix", "vmatrix", "array", "cases",
})  # fmt: skip
"""Runs of letters that are mathematics, not prose."""

STOP_WORDS = frozenset({
    "am", "an", "and", "are", "as", "at", "but", "by", "can", "for", "has", "how", "if", "is", "it",
    "its", "no", "not", "of", "on", "or", "so", "than", "the", "then", "to", "up", "was", "we",
    "yes", "you",
})  # fmt: skip
"""Short runs of letters that are words, not products."""


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
            letters = letters or before in ("∠", "△")
        elif kind in ("(", "{"):
            if inside or before == "_" or (kind == "(" and before.isalpha()):
                inside += 1
        elif kind in (")", "}"):
            inside -= inside > 0
        elif kind not in _IN_NAMES and kind != "π":
            return False
        elif kind in "wh" or (kind == "u" and token.text.isalpha()):
            if token.text in _CONDITIONS:
                return False
            letters = True
        elif kind == "\\":
            letters = letters or len(token.text) > 2
        before = token.text.lower() if kind == "w" else kind
    return letters


def name_of(tokens: list[Token]) -> str:
    """The name, for comparison with another; empty where it is in words."""
    if any(token.kind == "h" for token in tokens):
        return ""
    words = [token.text for token in tokens if token.kind == "w" and token.text != "angle"]
    if len(words) > 1 and any(len(word) > 3 for word in words):
        return ""
    if any(len(word) > 3 and not word.isupper() for word in words):
        return ""
    parts: list[str] = []
    inside = False
    for before, token in zip([None, *tokens], tokens):
        if token.kind == "(" and before is not None and before.kind in "w'":
            inside = True
        elif token.kind == ")":
            inside = False
        # The letter that a function is written in is no part of its name: W(n) is W(x).
        elif (
            token.kind in "wn_\\:u'"
            and token.text != "angle"
            and not (inside and token.kind in "wu")
        ):
            parts.append(token.text)
    return "".join(parts)


def is_prose(tokens: list[Token]) -> bool:
    """Whether there are words among `tokens` that are neither functions nor short names."""
    for before, token in zip([None, *tokens], tokens):
        if token.kind == "h" or (token.kind == ":" and token.text == "to"):
            return True
        if token.kind != "w" or (before is not None and before.kind in "_\\"):
            continue
        word = token.text.lower()
        if word in FUNCTIONS or token.text.isupper():
            continue
        if (before is None or before.kind != "{") and (len(word) > 3 or word in STOP_WORDS):
            return True
    return False


def words_of(tokens: list[Token]) -> tuple[Word | Symbol | Spelled] | None:
    """The prose or name that `tokens` are, as a tuple of one, or None where they are mathematics.

    Latin letters are prose when a run of them is longer than three and no function; Chinese
    characters always are. A shorter run on its own is a name.
    """
    if len(tokens) == 1 and tokens[0].kind == "n":
        return None
    kinds = "".join([token.kind for token in tokens[:4]])
    if kinds == "w" and tokens[0].text.lower() not in FUNCTIONS:
        text = tokens[0].text
        if len(text) == 1:
            return (Symbol(text),)
        if len(text) < 4 or text.isupper():
            return (Spelled(text),)
    if kinds in ("∠w", "△w", "∠n"):
        return (Spelled(tokens[1].text, tokens[0].text),)
    if kinds in ("w∥w", "w⊥w"):
        return (Spelled(" ".join(sorted((tokens[0].text, tokens[2].text))), tokens[1].text),)
    prose = False
    for token in tokens:
        if token.kind == "h":
            prose = True
        elif token.kind == "w":
            word = token.text.lower()
            prose = prose or (len(word) > 3 and word not in FUNCTIONS) or word in STOP_WORDS
        elif token.kind not in "'u-":
            return None
    if not prose:
        return None
    text = " ".join(token.text for token in tokens).lower()
    return (Word(" ".join(text.split())),)
