"""Tokens of a whole statement to a value: lists, names, relations, tuples, sets, ratios, units."""

from __future__ import annotations

from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.names import is_name, name_of, words_of
from vlreward.verify.exact.quantity import read_quantity
from vlreward.verify.exact.surd import Undecided, scaled
from vlreward.verify.exact.values import (
    Equation,
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Union,
    Value,
)

__all__ = ["read_statement"]

_OPENING = {"(": ")", "[": "]", "⦃": "⦄", "{": "}"}
_CLOSING = frozenset(")]}⦄")
_LESS = frozenset("<≤")
_ORDER = frozenset("<≤>≥")
_SEPARATORS = frozenset(",;")
_MAX_ITEMS = 64


def read_statement(text: str, tokens: list[Token]) -> Value:
    """The value of `tokens`, which are those of `text`.

    Raises:
        Undecided: The statement is outside the language.
        Malformed: It has no value.
        TooComplex: A cap was reached.
    """
    # A statement of one number is the common case.
    if len(tokens) == 1 and tokens[0].kind == "n":
        return read_quantity(text, tokens)[0]
    return _Statement(text).whole(tokens)


def _split(tokens: list[Token], kinds: frozenset[str] | str) -> list[list[Token]]:
    """`tokens` cut at every token of `kinds` outside brackets; the cuts are dropped."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        kind = token.kind
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        if depth == 0 and kind in kinds:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


class _Statement:
    def __init__(self, text: str) -> None:
        self.text = text

    def whole(self, tokens: list[Token]) -> Value:
        kinds = {token.kind for token in tokens}
        if ";" in kinds and "," in kinds:
            groups = [part for part in _split(tokens, ";") if part]
            if len(groups) > 1:
                return Group("", "", tuple(self.listed(part) for part in groups))
        return self.listed(tokens)

    def listed(self, tokens: list[Token]) -> Value:
        """A list without brackets, or the one value in it."""
        items = self.items(tokens)
        return items[0] if len(items) == 1 else Group("", "", items)

    def items(self, tokens: list[Token]) -> tuple[Value, ...]:
        parts = [part for part in _split(tokens, _SEPARATORS) if part]
        if not parts:
            raise Undecided("nothing between the brackets")
        if len(parts) > _MAX_ITEMS:
            raise Undecided(f"more than {_MAX_ITEMS} elements")
        return tuple(value for part in parts for value in self.element(part))

    def element(self, tokens: list[Token]) -> tuple[Value, ...]:
        """One element of a list: one value, or two where there is a plus-minus sign."""
        while tokens[0].kind == "{" and tokens[-1].kind == "}" and _closes_at_end(tokens):
            tokens = tokens[1:-1]  # LaTeX braces are invisible
            if not tokens:
                raise Undecided("empty braces")
        kinds = {token.kind for token in tokens}
        if kinds & _SEPARATORS and len(_split(tokens, _SEPARATORS)) > 1:
            return self.items(tokens)
        if "≈" in kinds:
            return self.approximation(tokens)
        if "=" in kinds:
            parts = _split(tokens, "=")
            if len(parts) > 1:
                return self.chain(parts)
        if "∈" in kinds:
            parts = _split(tokens, "∈")
            if len(parts) == 2 and is_name(parts[0]):
                return (Named(name_of(parts[0]), self.listed(parts[1])),)
            raise Undecided("a membership")
        if kinds & _ORDER:
            return (self.range(tokens),)
        if "∪" in kinds:
            return (self.union(tokens),)
        if ":" in kinds:
            parts = _split(tokens, ":")
            if len(parts) > 1:
                return (Ratio(tuple(self.one_number(part) for part in parts)),)
        first, last = tokens[0].kind, tokens[-1].kind
        if first in "([⦃":
            if _enclosed(tokens) and (first + last != "()" or kinds & _SEPARATORS):
                return (self.bracketed(tokens),)
            if first != "(":
                raise Undecided("brackets that do not enclose the whole")
        words = words_of(tokens)
        if words is not None:
            return words
        return tuple(read_quantity(self.text, tokens))

    def chain(self, parts: list[list[Token]]) -> tuple[Value, ...]:
        """``x = 5``, ``AB = 3 * 4 = 12``; the value is the last, named by the first."""
        first, last = parts[0], parts[-1]
        if not first or not last:
            raise Undecided("an equation with an empty side")
        if is_name(first):
            name = name_of(first)
            return tuple(Named(name, value) for value in self.element(last))
        try:
            start = self.element(first)
        except Undecided:
            if is_name(last) and len(parts) == 2 and not _has_letters(first):
                return tuple(Named(name_of(last), value) for value in self.element(first))
            return (Equation(self.text),)
        if is_name(last) and len(parts) == 2:
            return tuple(Named(name_of(last), value) for value in self.element(first))
        try:
            end = self.element(last)
        except Undecided:
            if _has_letters(last):
                return (Equation(self.text),)
            raise
        if not any(_has_letters(part) for part in parts) and _far(start, end):
            return (Equation(self.text),)  # 6 = 5 states nothing
        return end

    def approximation(self, tokens: list[Token]) -> tuple[Value, ...]:
        """``1/3 ≈ 0.33``: the value before the sign, or the last one after it."""
        cut = _split(tokens, "≈")
        parts = [part for part in cut if part]
        if len(cut) < 2 or not parts:
            raise Undecided("an approximation inside brackets")
        if len(parts) < 2 or is_name(parts[0]):
            return self.element(parts[-1])
        try:
            return self.element(parts[0])
        except Undecided:
            return self.element(parts[-1])

    def range(self, tokens: list[Token]) -> Value:
        parts = _split(tokens, _ORDER)
        signs = [token.kind for token in tokens if token.kind in _ORDER]
        if len(parts) != len(signs) + 1 or not all(parts):
            raise Undecided("an inequality inside brackets")
        if len(parts) == 2:
            if not is_name(parts[0]):
                parts.reverse()
                signs = [signs[0].translate(_MIRROR)]
            name, end = parts
            if not is_name(name) or any(token.kind == "|" for token in name):
                raise Undecided("an inequality that is not solved")
            low, high = Infinity(-1), Infinity(1)
            number = self.end(end)
            if signs[0] in _LESS:
                return Named(name_of(name), Range(low, number, True, signs[0] == "<"))
            return Named(name_of(name), Range(number, high, signs[0] == ">", True))
        if len(parts) == 3:
            if signs[0] not in _LESS:
                parts.reverse()
                signs = [one.translate(_MIRROR) for one in reversed(signs)]
            left, name, right = parts
            plain = is_name(name) and all(token.kind != "|" for token in name)
            if plain and all(one in _LESS for one in signs):
                value = Range(self.end(left), self.end(right), signs[0] == "<", signs[1] == "<")
                return Named(name_of(name), value)
        raise Undecided("an inequality that is not solved")

    def end(self, tokens: list[Token]) -> Number | Infinity:
        signs = [token.kind for token in tokens[:-1]]
        if tokens[-1].kind == "∞" and signs in ([], ["+"], ["-"]):
            return Infinity(-1 if signs == ["-"] else 1)
        return self.one_number(tokens)

    def union(self, tokens: list[Token]) -> Union:
        parts = [self.bracketed(part) for part in _split(tokens, "∪") if part]
        groups = tuple(part for part in parts if isinstance(part, Group))
        if len(groups) != len(parts):
            raise Undecided("a union of something else than intervals and sets")
        return Union(groups)

    def bracketed(self, tokens: list[Token]) -> Value:
        if not _enclosed(tokens):
            raise Undecided("brackets that do not enclose the whole")
        opening, closing = tokens[0].kind, tokens[-1].kind
        inner = tokens[1:-1]
        ends = _split(inner, _SEPARATORS)
        if len(ends) == 2 and opening != "⦃" and any(t.kind == "∞" for t in inner):
            return Group(opening, closing, (self.end(ends[0]), self.end(ends[1])))
        items = self.items(inner)
        if len(items) == 1:
            return items[0]  # a set or list of one is the value
        return Group(opening, closing, items)

    def one_number(self, tokens: list[Token]) -> Number:
        numbers = read_quantity(self.text, tokens)
        if len(numbers) > 1:
            raise Undecided("a plus-minus sign")
        return numbers[0]


_MIRROR = str.maketrans("<>≤≥", "><≥≤")


def _enclosed(tokens: list[Token]) -> bool:
    """Whether one pair of brackets holds all of `tokens`, such as ``(1, 2]``."""
    opening, closing = tokens[0].kind, tokens[-1].kind
    if len(tokens) < 3 or opening not in "([⦃" or closing not in ")]⦄":
        return False
    return (opening == "⦃") == (closing == "⦄") and _closes_at_end(tokens)


def _closes_at_end(tokens: list[Token]) -> bool:
    """Whether the bracket that opens `tokens`, of whatever kind, is closed by the last one."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind in _OPENING:
            depth += 1
        elif token.kind in _CLOSING:
            depth -= 1
            if not depth:
                return index == len(tokens) - 1
    return False


def _has_letters(tokens: list[Token]) -> bool:
    return any(token.kind in "wth" for token in tokens)


def _far(first: tuple[Value, ...], last: tuple[Value, ...]) -> bool:
    """Whether two numbers differ by more than rounding explains: one part in fifty."""
    if len(first) != 1 or len(last) != 1:
        return len(first) != len(last)
    a, b = first[0], last[0]
    if not isinstance(a, Number) or not isinstance(b, Number):
        return False
    x, y = scaled(a.surd, 20), scaled(b.surd, 20)
    return 50 * abs(x - y) > max(abs(x), abs(y))
