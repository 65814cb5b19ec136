"""Tokens of arithmetic to a value, in any arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import ClassVar, Generic, TypeVar

from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.powers import power, square_root
from vlreward.verify.exact.surd import (
    Malformed,
    Surd,
    TooComplex,
    Undecided,
    add,
    decimal,
    divide,
    integer,
    multiply,
    negate,
    rational,
    sign,
)

__all__ = ["Arithmetic", "Exact", "Expression"]

V = TypeVar("V")
_MAX_FACTORIAL = 100
_CLOSE = {"(": ")", "{": "}"}


@dataclass(frozen=True)
class Arithmetic(Generic[V]):
    """What an expression computes with; `exact` takes a number of `surd`."""

    exact: Callable[[Surd], V]
    add: Callable[[V, V], V]
    negate: Callable[[V], V]
    multiply: Callable[[V, V], V]
    divide: Callable[[V, V], V]
    power: Callable[[V, V], V]
    square_root: Callable[[V], V]
    absolute: Callable[[V], V]
    number: Callable[[V], Surd | None]


class Expression(Generic[V]):
    """A recursive descent evaluator over one run of tokens.

    Precedence, loosest first: sum; product, quotient and implicit product from left to right
    (``1/2π`` is half of pi, ``2/3√3`` two thirds of the root); sign; power; factorial.

    Attributes:
        position: The first token that is not part of the expression.
        places: The most decimals that a number showed, or None; see `Number`.
        plus_minus: What ``±`` stands for; ``∓`` is its opposite.
        split: Whether there was a ``±``.
    """

    starts: ClassVar[frozenset[str]] = frozenset(("n", "π", "√", "(", "{"))

    def __init__(self, arithmetic: Arithmetic[V], tokens: list[Token], plus_minus: int = 1) -> None:
        self.arithmetic = arithmetic
        self.add, self.multiply = arithmetic.add, arithmetic.multiply
        self.negate, self.exact = arithmetic.negate, arithmetic.exact
        self.tokens = tokens
        self._kinds = [*[token.kind for token in tokens], ""]
        self.position = 0
        self.places: int | None = None
        self.plus_minus = plus_minus
        self.split = False

    def _peek(self) -> str:
        return self._kinds[self.position]

    def sum(self) -> V:
        """Evaluate from `position` as far as arithmetic goes.

        Raises:
            Undecided: The expression is outside the language.
            Malformed: It has no value, as ``1/0``.
            TooComplex: A cap was reached.
        """
        total = self._product()
        while True:
            kind = self._peek()
            if kind not in ("+", "-", "±", "∓"):
                return total
            self.position += 1
            term = self._product()
            total = self.add(total, self._signed(kind, term))

    def _signed(self, kind: str, value: V) -> V:
        if kind in "±∓":
            self.split = True
            if (self.plus_minus < 0) != (kind == "∓"):
                return self.negate(value)
            return value
        return self.negate(value) if kind == "-" else value

    def _product(self) -> V:
        value = self._unary()
        while True:
            kind = self._peek()
            if kind == "*":
                self.position += 1
                value = self.multiply(value, self._unary())
            elif kind == "/":
                if not self._divides():
                    return value
                self.position += 1
                value = self.arithmetic.divide(value, self._unary())
            elif kind in self.starts or (kind == "\\" and self._at_fraction()):
                after_number = self.tokens[self.position - 1].kind == "n"
                if (kind == "n" and not self._after_exponent()) or (
                    kind == "\\" and after_number and self._plain_fraction()
                ):
                    # `_number` took the mixed numbers; `2 3` means nothing.
                    raise Malformed("two numbers in a row")
                value = self.multiply(value, self._power())
            else:
                return value

    def _after_exponent(self) -> bool:
        """Whether the braces of an exponent end just before the position: ``2^{3} 5^2``."""
        at = self.position - 1
        if self.tokens[at].kind != "}":
            return False
        while at > 0 and self.tokens[at].kind != "{":
            at -= 1
        return self.tokens[at - 1].kind == "^"

    def _divides(self) -> bool:
        """Whether the slash at the position divides numbers, rather than units as in ``m/s``."""
        after = self.position + 1
        return after < len(self.tokens) and self.tokens[after].kind not in ("w", "t", "h")

    def _at_fraction(self) -> bool:
        return self.tokens[self.position].text == "\\frac"

    def _plain_fraction(self) -> tuple[int, int, int] | None:
        """Numerator, denominator and length of a ``\\frac{1}{2}`` or ``\\frac12`` just ahead."""
        at = self.position
        kinds = [token.kind for token in self.tokens[at + 1 : at + 7]]
        texts = [token.text for token in self.tokens[at + 1 : at + 7]]
        if kinds == ["{", "n", "}", "{", "n", "}"] and texts[1].isdigit() and texts[4].isdigit():
            return integer(texts[1]), integer(texts[4]), 7
        if kinds[:1] == ["n"] and len(texts[0]) == 2 and texts[0].isdigit():
            return int(texts[0][0]), int(texts[0][1]), 2
        return None

    def _unary(self) -> V:
        kind = self._peek()
        if kind in ("-", "+", "±", "∓") and kind:
            self.position += 1
            if self._peek() in ("-", "+", "±", "∓"):
                raise Undecided("two signs in a row")
            return self._signed(kind, self._unary())
        return self._power()

    def _power(self) -> V:
        base = self._factorial(self._primary())
        if self._peek() == "^":
            self.position += 1
            kind = self._peek()
            exponent = self._unary() if kind in ("-", "+") else self._exponent()
            base = self.arithmetic.power(base, exponent)
            if self._peek() == "^":
                raise Undecided("a power without braces")
        return base

    def _exponent(self) -> V:
        """One braced group, or a number: ``x^23`` is read as plain text has it."""
        value = self._primary()
        if self._peek() == "^":  # right associative
            self.position += 1
            value = self.arithmetic.power(value, self._exponent())
        return value

    def _factorial(self, value: V) -> V:
        while self._peek() == "!":
            self.position += 1
            number = self.arithmetic.number(value)
            if number is None:
                raise Undecided("the factorial of an expression")
            n, d = number.get((1, 0), (0, 1))
            if len(number) > 1 or d != 1 or n < 0 or (number and not n) or self._peek() == "!":
                raise Undecided("a factorial that is not of a natural number")
            if n > _MAX_FACTORIAL:
                raise TooComplex(f"the factorial of a number above {_MAX_FACTORIAL}")
            value = self.exact(rational(factorial(n)))
        return value

    def _primary(self) -> V:
        kind = self._peek()
        if kind == "n":
            return self._number()
        if kind == "π":
            self.position += 1
            return self.exact({(1, 1): (1, 1)})
        if kind == "√":
            return self._root()
        if kind in _CLOSE:
            return self._group(kind)
        if kind == "|":
            self.position += 1
            value = self.sum()
            self._expect("|")
            return self.arithmetic.absolute(value)
        if kind == "\\" and self._at_fraction():
            return self._fraction()
        raise Undecided(f"{self._text()} in an expression")

    def _text(self) -> str:
        if self.position < len(self.tokens):
            return repr(self.tokens[self.position].text[:20])
        return "the end"

    def _group(self, kind: str) -> V:
        self.position += 1
        value = self.sum()
        self._expect(_CLOSE[kind])
        return value

    def _expect(self, kind: str) -> None:
        if self._peek() != kind:
            raise Undecided(f"{self._text()} where {kind!r} belongs")
        self.position += 1

    def _root(self) -> V:
        self.position += 1
        degree: V | None = None
        if self._peek() == "[":
            self.position += 1
            degree = self.sum()
            self._expect("]")
        kind = self._peek()
        if kind == "\\" and self._at_fraction():
            inside = self._fraction()
        elif kind in self.starts:
            inside = self._radicand()
        else:
            raise Undecided(f"{self._text()} after a root")
        if degree is None:
            return self.arithmetic.square_root(inside)
        one = self.exact(rational(1))
        return self.arithmetic.power(inside, self.arithmetic.divide(one, degree))

    def _radicand(self) -> V:
        return self._primary()

    def _fraction(self) -> V:
        short = self._plain_fraction()
        if short:
            self.position += short[2]
            return self.exact(rational(short[0], short[1]))
        self.position += 1
        top = self._argument()
        bottom = self._argument()
        return self.arithmetic.divide(top, bottom)

    def _argument(self) -> V:
        """A braced group, or the single digit or symbol that LaTeX would take."""
        token = self.tokens[self.position] if self.position < len(self.tokens) else None
        if token is not None and token.kind == "n" and len(token.text) > 1:
            raise Undecided("a fraction without braces")
        return self._primary()

    def _number(self) -> V:
        token = self.tokens[self.position]
        self.position += 1
        text = token.text
        if not text.isdigit():
            value, places = decimal(text)
            if places is not None:
                self.places = max(self.places or 0, places)
            return self.exact(value)
        whole = integer(text)
        mixed = self._mixed()
        if mixed is None:
            return self.exact({(1, 0): (whole, 1)} if whole else {})
        top, bottom = mixed
        return self.exact(rational(whole * bottom + top, bottom))

    def _mixed(self) -> tuple[int, int] | None:
        """The fraction of a mixed number such as ``3 1/2`` or ``3\\frac{1}{2}``, just ahead."""
        at = self.position
        tokens = self.tokens
        if at >= len(tokens) or (at > 1 and tokens[at - 2].kind in ("/", "^", "n")):
            return None
        if tokens[at].kind == "\\" and self._at_fraction():
            fraction = self._plain_fraction()
            if fraction is None or not fraction[0] < fraction[1]:
                return None
            self.position += fraction[2]
            return fraction[0], fraction[1]
        kinds = [token.kind for token in tokens[at : at + 3]]
        if kinds != ["n", "/", "n"] or not tokens[at].space:
            return None
        if not (tokens[at].text.isdigit() and tokens[at + 2].text.isdigit()):
            return None
        top, bottom = integer(tokens[at].text), integer(tokens[at + 2].text)
        if not top < bottom:
            raise Malformed("a mixed number with an improper fraction")
        self.position += 3
        return top, bottom


def _absolute(value: Surd) -> Surd:
    return negate(value) if sign(value) < 0 else value


_SURDS: Arithmetic[Surd] = Arithmetic(
    lambda value: value, add, negate, multiply, divide, power, square_root, _absolute,
    lambda value: value,
)  # fmt: skip


class Exact(Expression[Surd]):
    """An expression of numbers."""

    def __init__(self, tokens: list[Token], plus_minus: int = 1) -> None:
        super().__init__(_SURDS, tokens, plus_minus)
