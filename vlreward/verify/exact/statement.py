"""Tokens of a whole statement to a value: lists, names, relations, tuples, sets, ratios, units."""

from __future__ import annotations

from vlreward.verify.exact import algebra
from vlreward.verify.exact.lexer import CLOSING, OPENING, Token, closing
from vlreward.verify.exact.names import is_name, name_of, words_of
from vlreward.verify.exact.quantity import read_quantity
from vlreward.verify.exact.relations import (
    has_ranges,
    intersection,
    letters_as_form,
    relation,
    solved,
)
from vlreward.verify.exact.surd import Undecided, scaled
from vlreward.verify.exact.values import (
    Empty,
    Equation,
    Group,
    InBase,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Symbolic,
    Union,
    Value,
)

__all__ = ["read_statement"]

_LESS = frozenset("<≤")
_ORDER = frozenset("<≤>≥")
_SEPARATORS = frozenset(",;")
_ALSO = frozenset(("and", "且", "And"))
_ELSE = frozenset(("or", "或", "或者"))
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
        if kind in OPENING:
            depth += 1
        elif kind in CLOSING:
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
        if len(items) == 1:
            return items[0]
        ranges = [item for item in items if isinstance(item, Named)]
        if len(ranges) == len(items) and len({item.name for item in ranges}) == 1:
            parts = [item.value for item in ranges if isinstance(item.value, Range)]
            joined = [t for t in tokens if t.kind == "," and t.text in _ALSO]
            if len(parts) == len(items) == len(joined) + 1:
                both = intersection(parts)
                return both if isinstance(both, Empty) else Named(ranges[0].name, both)
        group = Group("", "", items)
        if any(t.kind == "," and t.text in _ELSE for t in tokens) and not has_ranges(group):
            return Group("⦃", "⦄", items)  # alternatives are no point
        return group

    def items(self, tokens: list[Token]) -> tuple[Value, ...]:
        parts = [part for part in _split(tokens, _SEPARATORS) if part]
        if not parts:
            raise Undecided("nothing between the brackets")
        if len(parts) > _MAX_ITEMS:
            raise Undecided(f"more than {_MAX_ITEMS} elements")
        return tuple(value for part in parts for value in self.element(part))

    def element(self, tokens: list[Token]) -> tuple[Value, ...]:
        """One element of a list: one value, or two where there is a plus-minus sign."""
        if not tokens:
            raise Undecided("a missing value")
        while tokens[0].kind == "{" and tokens[-1].kind == "}" and _closes_at_end(tokens):
            tokens = tokens[1:-1]  # LaTeX braces are invisible
            if not tokens:
                raise Undecided("empty braces")
        kinds = {token.kind for token in tokens}
        if kinds & _SEPARATORS and len(_split(tokens, _SEPARATORS)) > 1:
            return self.items(tokens)
        if "≈" in kinds:
            return self.approximation(tokens)
        if "≠" in kinds:
            parts = _split(tokens, "≠")
            if len(parts) == 2:
                return (self.related("≠", *parts),)
        if "=" in kinds:
            parts = _split(tokens, "=")
            if len(parts) > 1:
                return self.chain(parts)
        if len(tokens) == 1 and tokens[0].kind in "∅ℝ":
            return (Empty() if "∅" in kinds else _EVERYTHING,)
        if "∈" in kinds:
            parts = _split(tokens, "∈")
            if len(parts) == 2 and is_name(parts[0]):
                return (Named(name_of(parts[0]), self.listed(parts[1])),)
            raise Undecided("a membership")
        if kinds & _ORDER and len(_split(tokens, _ORDER)) > 1:
            return (self.range(tokens),)
        if "∪" in kinds:
            return (self.union(tokens),)
        if ":" in kinds:
            parts = _split(tokens, ":")
            if len(parts) > 1:
                return (Ratio(tuple(self.one_number(part) for part in parts)),)
        first, last = tokens[0].kind, tokens[-1].kind
        if last == "∞" and len(tokens) < 3:
            return (self.end(tokens),)
        if first == "w" and kinds & _SEPARATORS and _is_point(tokens):
            return (Named(tokens[0].text, self.bracketed(tokens[1:])),)
        if first == "⟦":
            return (self.matrix(tokens),)
        digits = _in_base(tokens) if "_" in kinds else None
        if digits is not None:
            return (digits,)
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
        if not is_name(first) and is_name(last) and len(parts) == 2 and not _has_letters(first):
            first, last = last, first
        if is_name(first):
            name = name_of(first)
            return tuple(self.named(name, value) for value in self.element(last))
        if len(parts) == 2 and (_has_letters(first) or _has_letters(last)):
            return (self.related("=", first, last),)
        try:
            start, end = self.element(first), self.element(last)
        except Undecided:
            if _has_letters(last):
                return (Equation(self.text),)
            raise
        if not any(_has_letters(part) for part in parts) and _far(start, end):
            return (Equation(self.text),)  # 6 = 5 states nothing
        return end

    def named(self, name: str, value: Value) -> Value:
        """An assignment; of a letter to an expression in it, which is none, a relation."""
        form = _form(value) if name else None
        if form is not None and any(
            other in (name, f"call {name}")
            for other in (getattr(g, "function", g) for g in algebra.generators(form))
        ):
            return relation("=", algebra.generator(name), form, self.text)
        return Named(name, value)

    def related(self, sign: str, first: list[Token], last: list[Token]) -> Value:
        """An equation or inequality that is not solved."""
        sides = []
        for tokens in (first, last):
            try:
                found = self.element(tokens)
            except Undecided:
                if sign == "=":
                    return Equation(self.text)
                raise
            if len(found) != 1 or (form := _form(found[0])) is None:
                if sign == "=":
                    return Equation(self.text)
                raise Undecided("a relation between something else than expressions")
            sides.append(form)
        return relation(sign, sides[0], sides[1], self.text)

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
            name, end = parts if is_name(parts[0]) else parts[::-1]
            if not is_name(name) or any(token.kind == "|" for token in name):
                first, last = parts if signs[0] in _LESS else parts[::-1]
                return solved(self.related(signs[0].translate(_LESSER), first, last))
            sign = signs[0] if name is parts[0] else signs[0].translate(_MIRROR)
            number = self.end(end)
            if sign in _LESS:
                return Named(name_of(name), Range(Infinity(-1), number, True, sign == "<"))
            return Named(name_of(name), Range(number, Infinity(1), sign == ">", True))
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

    def end(self, tokens: list[Token]) -> Number | Symbolic | Infinity:
        if not tokens:
            raise Undecided("a missing end")
        signs = [token.kind for token in tokens[:-1]]
        if tokens[-1].kind == "∞" and signs in ([], ["+"], ["-"]):
            return Infinity(-1 if signs == ["-"] else 1)
        return self.one_number(tokens)

    def union(self, tokens: list[Token]) -> Union:
        parts: list[Value] = []
        for part in _split(tokens, "∪"):
            value = self.bracketed(part) if part else Empty()
            one = isinstance(value, (Number, Symbolic))  # a set of one
            parts.append(Group("⦃", "⦄", (value,)) if one else value)
        groups = tuple(part for part in parts if isinstance(part, (Group, Range)))
        if len(groups) != len(parts) or len(parts) < 2:
            raise Undecided("a union of something else than intervals and sets")
        return Union(groups)

    def bracketed(self, tokens: list[Token]) -> Value:
        if not _enclosed(tokens):
            raise Undecided("brackets that do not enclose the whole")
        opening, closing = tokens[0].kind, tokens[-1].kind
        inner = tokens[1:-1]
        if opening == "⦃":
            for at, token in enumerate(inner):
                if token.kind in "|:" and at and is_name(inner[:at]) and _relates(inner[at:]):
                    return self.listed(inner[at + 1 :])  # the x of {x | x > 1} stands for it all
        ends = _split(inner, _SEPARATORS)
        if len(ends) == 2 and all(ends) and opening != "⦃" and any(t.kind == "∞" for t in inner):
            return Group(opening, closing, (self.end(ends[0]), self.end(ends[1])))
        items = self.items(inner)
        if len(items) == 1:
            return items[0]  # a set or list of one is the value
        return Group(opening, closing, items)

    def matrix(self, tokens: list[Token]) -> Value:
        if not _closes_at_end(tokens):
            raise Undecided("a calculation with matrices")
        rows = [_split(row, ",") for row in _split(tokens[1:-1], ";")]
        if not all(all(row) for row in rows):
            raise Undecided("a matrix with a gap")
        values = [tuple(self.one_number(entry) for entry in row) for row in rows]
        return Group("⟦", "⟧", tuple(Group("⟦", "⟧", row) for row in values))

    def one_number(self, tokens: list[Token]) -> Number | Symbolic:
        numbers = read_quantity(self.text, tokens)
        if len(numbers) > 1:
            raise Undecided("a plus-minus sign")
        return numbers[0]


_EVERYTHING = Range(Infinity(-1), Infinity(1), True, True)
_LESSER = str.maketrans(">≥", "<≤")
_MIRROR = str.maketrans("<>≤≥", "><≥≤")


def _enclosed(tokens: list[Token]) -> bool:
    """Whether one pair of brackets holds all of `tokens`, such as ``(1, 2]``."""
    opening, closing = tokens[0].kind, tokens[-1].kind
    if len(tokens) < 3 or opening not in "([⦃" or closing not in ")]⦄":
        return False
    return (opening == "⦃") == (closing == "⦄") and _closes_at_end(tokens)


def _closes_at_end(tokens: list[Token]) -> bool:
    """Whether the bracket that opens `tokens`, of whatever kind, is closed by the last one."""
    return closing([token.kind for token in tokens]) == len(tokens) - 1


def _has_letters(tokens: list[Token]) -> bool:
    return any(token.kind in "whu" for token in tokens)


def _is_point(tokens: list[Token]) -> bool:
    """Whether a capital names a tuple, as in ``A(4, 0)``."""
    if len(tokens) < 4 or tokens[1].kind != "(":
        return False
    name = tokens[0].text
    return len(name) == 1 and name.isupper() and _enclosed(tokens[1:])


def _relates(tokens: list[Token]) -> bool:
    return any(token.kind in "=<>≤≥≠" for token in tokens)


def _form(value: Value) -> algebra.Form | None:
    """A side of a relation as a form, where it is an expression without a unit."""
    if isinstance(value, Number) and value.unit is None and not value.percent:
        return algebra.exact(value.surd)
    if isinstance(value, Symbolic) and value.unit is None:
        return value.form
    return None if isinstance(value, (Number, Symbolic)) else letters_as_form(value)


def _in_base(tokens: list[Token]) -> InBase | None:
    """``1010_2``, ``1010_{2}`` and ``(1010)_2``."""
    texts = [token.text for token in tokens if token.kind not in "(){}"]
    kinds = "".join(token.kind for token in tokens)
    if kinds not in ("n_n", "n_{n}", "(n)_n", "(n)_{n}") or not (
        texts[0].isdigit() and texts[2].isdigit() and len(texts[2]) < 3
    ):
        return None
    base = int(texts[2])
    if base < 2 or any(int(digit) >= base for digit in texts[0]):
        return None
    return InBase(texts[0].lstrip("0") or "0", base)


def _far(first: tuple[Value, ...], last: tuple[Value, ...]) -> bool:
    """Whether two numbers differ by more than rounding explains: one part in fifty."""
    if len(first) != 1 or len(last) != 1:
        return len(first) != len(last)
    a, b = first[0], last[0]
    if not isinstance(a, Number) or not isinstance(b, Number):
        return False
    x, y = scaled(a.surd, 20), scaled(b.surd, 20)
    return 50 * abs(x - y) > max(abs(x), abs(y))
