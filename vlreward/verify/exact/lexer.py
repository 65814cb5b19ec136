"""Canonical text to tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vlreward.verify.exact.surd import TooComplex

__all__ = ["CLOSING", "MAX_DEPTH", "MAX_TOKENS", "OPENING", "Token", "closing", "tokenize"]

MAX_TOKENS = 256
MAX_DEPTH = 32


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: ``n`` for a number, ``w`` for a Latin word, ``h`` for Chinese characters, ``\\`` for a
            LaTeX command, ``u`` for any other character; a symbol is its own kind.
        text: The characters.
        start, end: Where the token lies in the canonical text.
        space: Whether whitespace precedes it.
    """

    kind: str
    text: str
    start: int
    end: int
    space: bool


_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<n>\d*\.\d*⟨\d+⟩|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<symbol>[-+*/^_(){}\[\]⦃⦄⟦⟧|,;:=<>≤≥≠≈±∓∪∈√π∞°%!'∠△∥⊥∅ℝ€£¥＄])"
    r"|(?P<command>\\[a-zA-Z]+|\\\\|\\)"
    r"|(?P<w>[A-Za-z]+)"
    r"|(?P<h>[\u4e00-\u9fff]+)"
    r"|(?P<u>.)",
    re.DOTALL,
)
_WORDS = {
    "sqrt": "√", "pi": "π", "infinity": "∞", "infty": "∞", "inf": "∞", "oo": "∞", "and": ",",
    "or": ",", "to": ":",
}  # fmt: skip
_HAN = {"或": ",", "和": ",", "或者": ",", "与": ",", "且": ",", "根号": "√", "比": ":"}
OPENING, CLOSING = "({[⦃⟦", ")}]⦄⟧"
"""Brackets of every kind, in this order in both."""


def closing(kinds: Sequence[str], start: int = 0, pair: Sequence[str] = (OPENING, CLOSING)) -> int:
    """Where the bracket that opens at `start` is closed, -1 if it is not.

    Args:
        kinds: A text, or the kinds of tokens.
        start: Where the bracket is.
        pair: What opens and what closes; any of them closes any other.
    """
    depth = 0
    for index in range(start, len(kinds)):
        depth += (kinds[index] in pair[0]) - (kinds[index] in pair[1])
        if not depth:
            return index
    return -1


def tokenize(text: str) -> list[Token]:
    """The tokens of canonical text.

    Raises:
        TooComplex: More than `MAX_TOKENS` tokens, or brackets nested deeper than `MAX_DEPTH`.
    """
    tokens: list[Token] = []
    space = False
    depth = 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "u"
        if kind == "space":
            space = True
            continue
        value = found.group()
        if kind == "symbol":
            kind = value
            if value in OPENING:
                depth += 1
                if depth > MAX_DEPTH:
                    raise TooComplex(f"brackets nested deeper than {MAX_DEPTH}")
            elif value in CLOSING:
                depth -= 1
        elif kind == "w":
            kind = _WORDS.get(value, "w")
        elif kind == "h":
            kind = _HAN.get(value, "h")
        elif kind == "command":
            kind = "\\"
        tokens.append(Token(kind, value, found.start(), found.end(), space))
        space = False
        if len(tokens) > MAX_TOKENS:
            raise TooComplex(f"more than {MAX_TOKENS} tokens")
    return tokens
