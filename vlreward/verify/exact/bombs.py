r"""Texts that would keep a computer algebra system busy for good, recognised before they travel.

The list is not meant to be complete: the deadline of the worker catches the rest. It keeps the
cheap attacks from costing a process each.
"""

from __future__ import annotations

import re
from math import factorial

from vlreward.verify.exact.lexer import CLOSING, MAX_DEPTH, OPENING, closing

__all__ = ["complexity"]

_MAX_EXPONENT_DIGITS = 4
_MAX_TOWER = 2
_MAX_FACTORIAL = 500
_MAX_ELEMENTS = 64
_MAX_DIGITS = 200

_ITERATED = re.compile(r"\\(?:sum|prod|bigcup|bigcap)(?![a-z])")
_BIG_OPERATOR = re.compile(r"\\(?:sum|prod|int|iint|iiint|oint|bigcup|bigcap|lim)(?![a-z])")
_LONG_NUMBER = re.compile(rf"(?<![\d.])\d{{{_MAX_EXPONENT_DIGITS + 1},}}")  # no decimals
_VERY_LONG_NUMBER = re.compile(rf"\d{{{_MAX_DIGITS + 1},}}")
_FACTORIAL = re.compile(r"(\d+)\s*[)}\]]*\s*!")
_REPEATED = re.compile(r"(\d+)((?:\s*!){2,})")
_SCIENTIFIC = re.compile(r"\d[eE][-+]?(\d+)")


def complexity(text: str) -> str | None:
    """Why canonical text is too complex to hand to a worker, or None.

    Examples:
        >>> complexity("x+2^{10^{10}}")
        'an exponent that is a power of numbers'
        >>> complexity("(x+1)^{2}")
    """
    if text.count(",") + text.count("&") + text.count(";") > _MAX_ELEMENTS:
        return f"more than {_MAX_ELEMENTS} elements"
    if _VERY_LONG_NUMBER.search(text):
        return f"an integer of more than {_MAX_DIGITS} digits"
    depth = deepest = 0
    for character in text:
        if character in OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif character in CLOSING:
            depth -= 1
    if deepest > MAX_DEPTH:
        return f"brackets nested deeper than {MAX_DEPTH}"
    return _factorials(text) or _limits(text) or _powers(text)


def _factorials(text: str) -> str | None:
    inner = [_before(text, found.start()) for found in _OF_GROUP.finditer(text)]
    if any("!" in group for group in inner):
        return "a factorial of a factorial"
    for found in _REPEATED.finditer(text):
        value = int(found[1][:4])
        for _ in range(found[2].count("!")):  # math-verify reads 9!! as (9!)!
            if value > _MAX_FACTORIAL:
                return f"a repeated factorial of a number above {_MAX_FACTORIAL}"
            value = factorial(value)
    for found in _FACTORIAL.finditer(text):
        if len(found[1]) > 3 or int(found[1]) > _MAX_FACTORIAL:
            return f"the factorial of a number above {_MAX_FACTORIAL}"
    if any("^" in group for group in inner):
        return "the factorial of a power"
    return None


_OF_GROUP = re.compile(r"(?<=[)}\]])\s*!")


def _before(text: str, end: int) -> str:
    """The bracket that ends at `end`, with what it holds and a power on it."""
    depth = 0
    start = end
    while start > 0:
        start -= 1
        depth += (text[start] in CLOSING) - (text[start] in OPENING)
        if not depth and text[start - 1 : start] != "^":
            break
    return text[start:end]


def _powers(text: str) -> str | None:
    for found in _SCIENTIFIC.finditer(text):
        if len(found[1]) > 3:
            return f"an exponent of more than {_MAX_EXPONENT_DIGITS} digits"
    start = text.find("^")
    while start >= 0:
        exponent = _argument(text, start + 1)
        if _LONG_NUMBER.search(exponent):
            return f"an exponent of more than {_MAX_EXPONENT_DIGITS} digits"
        if re.search(r"\d\s*[)}]*\s*\^\s*[({]*\s*\d", exponent):
            return "an exponent that is a power of numbers"
        if exponent.count("^") >= _MAX_TOWER:
            return "a tower of powers"
        if "!" in exponent:
            return "a factorial in an exponent"
        start = text.find("^", start + 1)
    return None


_TERM = re.compile(r"\s*(?:[-+]\s*)?(?:\\[a-zA-Z]+|\d+(?:\.\d+)?|.)", re.DOTALL)


def _argument(text: str, start: int) -> str:
    """What follows a ``^``: a group or one term, with the powers and factorials on it."""
    end = start
    while True:
        term = _TERM.match(text, end)
        if not term:
            return text[start:]
        end = term.end()
        if text[end - 1] in OPENING:
            end = closing(text, end - 1) + 1 or len(text)
        while text[end : end + 1] in ("!", " "):
            end += 1
        if text[end : end + 1] != "^":
            return text[start:end]
        end += 1


def _limits(text: str) -> str | None:
    if len(_BIG_OPERATOR.findall(text)) > 3:
        return "more than three sums, products or integrals"
    found = _ITERATED.search(text)
    if not found:
        return None
    rest = text[found.end() :]
    if _LONG_NUMBER.search(rest):
        return "a sum or product with a large number"
    if re.search(r"[_^]\s*\{[^{}]*\d\s*\^", rest):
        return "a sum or product with a power for a limit"
    return None
