"""Tokens of arithmetic to an exact number."""

from __future__ import annotations

from math import factorial

from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.literals import decimal, integer
from vlreward.verify.exact.powers import power, square_root
from vlreward.verify.exact.surd import (
    Malformed,
    Surd,
    TooComplex,
    Undecided,
    add,
    divide,
    multiply,
    negate,
    rational,
    sign,
)

__all__ = ["Expression"]

_PI: Surd = {(1, 1): (1, 1)}
_MAX_FACTORIAL = 100
_STARTS = frozenset(("n", "π", "√", "(", "{"))
_CLOSE = {"(": ")", "{": "}"}


class Expression:
    """A recursive descent evaluator over one run of tokens.

    Precedence, loosest first: sum; product, quotient and implicit product from left to right
    (``1/2π`` is half of pi, ``2/3√3`` two thirds of the root); sign; power; factorial.

    Attributes:
        position: The first token that is not part of the expression.
        places: The most decimals that a number showed, or None; see `Number`.
        plus_minus: What ``±`` stands for; ``∓`` is its opposite.
        split: Whether there was a ``±``.
    """

    def __init__(self, tokens: list[Token], position: int = 0, plus_minus: int = 1) -> None:
        self.tokens = tokens
        self.position = position
        self.places: int | None = None
        self.plus_minus = plus_minus
        self.split = False

    def _peek(self) -> str:
        return self.tokens[self.position].kind if self.position < len(self.tokens) else ""

    def sum(self) -> Surd:
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
            total = add(total, self._signed(kind, term))

    def _signed(self, kind: str, value: Surd) -> Surd:
        if kind in "±∓":
            self.split = True
            if (self.plus_minus < 0) != (kind == "∓"):
                return negate(value)
            return value
        return negate(value) if kind == "-" else value

    def _product(self) -> Surd:
        value = self._unary()
        while True:
            kind = self._peek()
            if kind == "*":
                self.position += 1
                value = multiply(value, self._unary())
            elif kind == "/":
                if not self._divides():
                    return value
                self.position += 1
                value = divide(value, self._unary())
            elif kind in _STARTS or (kind == "\\" and self._at_fraction()):
                after_number = self.tokens[self.position - 1].kind == "n"
                if kind == "n" or (kind == "\\" and after_number and self._plain_fraction()):
                    # `_number` took the mixed numbers; `2 3` means nothing.
                    raise Malformed("two numbers in a row")
                value = multiply(value, self._power())
            else:
                return value

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

    def _unary(self) -> Surd:
        kind = self._peek()
        if kind in ("-", "+", "±", "∓") and kind:
            self.position += 1
            if self._peek() in ("-", "+", "±", "∓"):
                raise Undecided("two signs in a row")
            return self._signed(kind, self._unary())
        return self._power()

    def _power(self) -> Surd:
        base = self._factorial(self._primary())
        if self._peek() == "^":
            self.position += 1
            kind = self._peek()
            exponent = self._unary() if kind in ("-", "+") else self._exponent()
            base = power(base, exponent)
            if self._peek() == "^":
                raise Undecided("a power without braces")
        return base

    def _exponent(self) -> Surd:
        """One braced group, or a number: ``x^23`` is read as plain text has it."""
        value = self._primary()
        if self._peek() == "^":  # right associative
            self.position += 1
            value = power(value, self._exponent())
        return value

    def _factorial(self, value: Surd) -> Surd:
        while self._peek() == "!":
            self.position += 1
            n, d = value.get((1, 0), (0, 1))
            if len(value) > 1 or d != 1 or n < 0 or (value and not n) or self._peek() == "!":
                raise Undecided("a factorial that is not of a natural number")
            if n > _MAX_FACTORIAL:
                raise TooComplex(f"the factorial of a number above {_MAX_FACTORIAL}")
            value = rational(factorial(n))
        return value

    def _primary(self) -> Surd:
        kind = self._peek()
        if kind == "n":
            return self._number()
        if kind == "π":
            self.position += 1
            return _PI
        if kind == "√":
            return self._root()
        if kind in _CLOSE:
            return self._group(kind)
        if kind == "|":
            self.position += 1
            value = self.sum()
            self._expect("|")
            return negate(value) if sign(value) < 0 else value
        if kind == "\\" and self._at_fraction():
            return self._fraction()
        raise Undecided(f"{self._text()} in an expression")

    def _text(self) -> str:
        if self.position < len(self.tokens):
            return repr(self.tokens[self.position].text[:20])
        return "the end"

    def _group(self, kind: str) -> Surd:
        self.position += 1
        value = self.sum()
        self._expect(_CLOSE[kind])
        return value

    def _expect(self, kind: str) -> None:
        if self._peek() != kind:
            raise Undecided(f"{self._text()} where {kind!r} belongs")
        self.position += 1

    def _root(self) -> Surd:
        self.position += 1
        degree: Surd | None = None
        if self._peek() == "[":
            self.position += 1
            degree = self.sum()
            self._expect("]")
        kind = self._peek()
        if kind == "\\" and self._at_fraction():
            inside = self._fraction()
        elif kind in ("n", "π", "√", "(", "{"):
            inside = self._primary()
        else:
            raise Undecided(f"{self._text()} after a root")
        if degree is None:
            return square_root(inside)
        return power(inside, divide(rational(1), degree))

    def _fraction(self) -> Surd:
        short = self._plain_fraction()
        if short:
            self.position += short[2]
            return rational(short[0], short[1])
        self.position += 1
        top = self._argument()
        bottom = self._argument()
        return divide(top, bottom)

    def _argument(self) -> Surd:
        """A braced group, or the single digit or symbol that LaTeX would take."""
        token = self.tokens[self.position] if self.position < len(self.tokens) else None
        if token is not None and token.kind == "n" and len(token.text) > 1:
            raise Undecided("a fraction without braces")
        return self._primary()

    def _number(self) -> Surd:
        token = self.tokens[self.position]
        self.position += 1
        text = token.text
        if not text.isdigit():
            value, places = decimal(text)
            if places is not None:
                self.places = max(self.places or 0, places)
            return value
        whole = integer(text)
        mixed = self._mixed()
        if mixed is None:
            return {(1, 0): (whole, 1)} if whole else {}
        top, bottom = mixed
        return rational(whole * bottom + top, bottom)

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
