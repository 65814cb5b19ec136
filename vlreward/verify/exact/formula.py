r"""Tokens of an expression in letters to a form."""

from __future__ import annotations

import re
from math import comb
from typing import ClassVar

from vlreward.verify.exact import algebra, surd
from vlreward.verify.exact.algebra import Form
from vlreward.verify.exact.expression import Arithmetic, Expression
from vlreward.verify.exact.lexer import Token
from vlreward.verify.exact.names import FUNCTIONS, STOP_WORDS
from vlreward.verify.exact.surd import Malformed, Surd, Undecided

__all__ = ["GREEK", "Formula", "letters_of"]

GREEK = frozenset({
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta",
    "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "varphi", "chi",
    "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega",
    "ell", "hbar",
})  # fmt: skip
"""Commands that are letters."""

_READ = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "ln", "log", "lg", "exp",
})  # fmt: skip
_CIRCULAR = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_RUN = re.compile("(" + "|".join(sorted(_READ, key=len, reverse=True)) + ")(?=.|$)")
# sin of 0, 15, 30, 45, 60, 75 and 90 degrees: (coefficient, radicand) over a denominator.
_SINES: tuple[Surd, ...] = (
    {}, {(6, 0): (1, 4), (2, 0): (-1, 4)}, {(1, 0): (1, 2)}, {(2, 0): (1, 2)}, {(3, 0): (1, 2)},
    {(6, 0): (1, 4), (2, 0): (1, 4)}, {(1, 0): (1, 1)},
)  # fmt: skip
_MAX_COMB = 200

_FORMS: Arithmetic[Form] = Arithmetic(
    algebra.exact, algebra.add, algebra.negate, algebra.multiply, algebra.divide, algebra.power,
    algebra.square_root, algebra.absolute, algebra.constant_of,
)  # fmt: skip


def letters_of(word: str) -> Form:
    """The product that a run of letters is."""
    product = algebra.constant(1)
    for letter in word:
        product = algebra.multiply(product, algebra.generator(letter))
    return product


class Formula(Expression[Form]):
    """An expression with letters, powers of them, roots and the usual functions.

    A run of letters is a product, a letter with a subscript or primes one letter, and ``f(x)``,
    which may be a product or a function, an opaque term of its own.
    """

    starts: ClassVar[frozenset[str]] = Expression.starts | {"w", "u"}

    def __init__(self, tokens: list[Token], plus_minus: int = 1) -> None:
        super().__init__(_FORMS, tokens, plus_minus)
        self._angles = 0  # functions of an angle around the position
        self._rest = ""  # letters of the token at the position that were not taken yet

    def _product(self) -> Form:
        value = self._unary()
        while True:
            kind = self._peek()
            if kind in ("*", "/"):
                self.position += 1
                other = self._unary()
                combine = self.arithmetic.multiply if kind == "*" else self.arithmetic.divide
                value = combine(value, other)
            elif kind == "n" and not self._after_exponent():
                raise Undecided("a number after a letter")
            elif self._begins():
                value = self.multiply(value, self._power())
            else:
                return value

    def _begins(self) -> bool:
        """Whether a factor begins at the position."""
        kind = self._peek()
        if kind == "\\":
            name = self.tokens[self.position].text[1:]
            return name in ("frac", "binom") or name in GREEK or name in _READ
        return kind in self.starts

    def _factorial(self, value: Form) -> Form:
        while self._angles and self._peek() == "°":
            self.position += 1
            value = self.multiply(value, algebra.exact({(1, 1): (1, 180)}))
        return super()._factorial(value)

    def _primary(self) -> Form:
        kind = self._peek()
        if kind == "w":
            return self._word()
        if kind == "u":
            return self._letter(self.tokens[self.position].text)
        if kind == "\\":
            name = self.tokens[self.position].text[1:]
            if name in _READ:
                self.position += 1
                return self._function(name)
            if name in GREEK:
                return self._letter(name.removeprefix("var"))
            if name == "binom":
                return self._binomial()
        return super()._primary()

    def _word(self) -> Form:
        """The first factor of a run of letters; what follows it is left for later."""
        text = self._rest or self.tokens[self.position].text
        found = _RUN.match(text)
        if found:
            self._take(text, len(found[0]))
            return self._function(found[0])
        word = text.lower()
        if not self._rest and (len(text) > 3 or word in STOP_WORDS or word in FUNCTIONS):
            raise Undecided(f"{text[:20]!r} in an expression")
        if len(text) > 1:
            self._take(text, 1)
            return algebra.generator(text[0])
        self._rest = ""
        return self._letter(text)

    def _take(self, text: str, count: int) -> None:
        self._rest = text[count:]
        self.position += not self._rest

    def _letter(self, name: str) -> Form:
        """One letter, with its subscript and primes."""
        if not name.isalpha():
            raise Undecided(f"{name[:20]!r} in an expression")
        self.position += 1
        if self._peek() == "_":
            name += "_" + self._subscript()
        primes = 0
        while self._peek() == "'":
            self.position += 1
            primes += 1
        name += "'" * primes
        if self._peek() == "_" or (primes and self._peek() == "n"):
            raise Undecided("a subscript in an odd place")
        if self._peek() == "(" and name[0] in "fghFGH":
            return algebra.opaque(f"call {name}", *self._arguments())
        return algebra.generator(name)

    def _subscript(self) -> str:
        self.position += 1
        if self._peek() in ("n", "w", "u"):
            token = self.tokens[self.position]
            if len(token.text) > 1 and not token.text.isdigit():
                raise Undecided("a subscript without braces")
            self.position += 1
            return token.text
        if self._peek() != "{":
            raise Undecided("a subscript that is no name")
        end = self.position
        while end < len(self.tokens) and self.tokens[end].kind != "}":
            end += 1
        inside = "".join(token.text for token in self.tokens[self.position + 1 : end])
        self.position = end
        self._expect("}")
        return inside

    def _arguments(self) -> list[Form]:
        self._expect("(")
        found = [self.sum()]
        while self._peek() == ",":
            self.position += 1
            found.append(self.sum())
        self._expect(")")
        return found

    def _function(self, name: str) -> Form:
        base = algebra.constant(10) if name in ("lg", "log") else None
        if name == "log" and self._peek() == "_":
            self.position += 1
            base = self._one()
        elif self._peek() == "_":
            raise Undecided("a subscript of a function")
        exponent: Form | None = None
        if self._peek() == "^":
            self.position += 1
            exponent = self._one()
            if algebra.constant_of(exponent) == {(1, 0): (-1, 1)}:
                name, exponent = _INVERSE.get(name, ""), None
        if not name:
            raise Undecided("the inverse of a function")
        self._angles += name in _CIRCULAR
        try:
            argument = self._argument_of_function()
        finally:
            self._angles -= name in _CIRCULAR
        value = _applied(name, argument) if base is None else _logarithm(base, argument)
        return value if exponent is None else self.arithmetic.power(value, exponent)

    def _one(self) -> Form:
        """A braced group, or one digit or letter."""
        token = self.tokens[self.position] if self.position < len(self.tokens) else None
        if token is not None and token.kind in "nw" and len(token.text) > 1:
            raise Undecided("a script without braces")
        return self._unary() if self._peek() == "-" else self._primary()

    def _argument_of_function(self) -> Form:
        """What a function is of: one bracket, or the factors up to a sign or the next function."""
        if self._rest:  # sinx
            return self._power()
        if self._peek() in ("(", "{", "|"):
            return self._factorial(self._primary())
        value = self._unary()
        while self._begins() and not self._at_function() and self._peek() not in ("(", "√"):
            if self._peek() == "n":
                raise Undecided("a number after a letter")
            value = self.multiply(value, self._power())
        return value

    def _at_function(self) -> bool:
        text = self._rest or self.tokens[self.position].text
        return bool(_RUN.match(text.removeprefix("\\")))

    def _argument(self) -> Form:
        self._refuse_a_run()
        return super()._argument()

    def _radicand(self) -> Form:
        self._refuse_a_run()
        return super()._radicand()

    def _refuse_a_run(self) -> None:
        """LaTeX would take the first letter of several, a person all of them."""
        if self._peek() == "w" and len(self.tokens[self.position].text) > 1:
            raise Undecided("a command without braces")

    def _binomial(self) -> Form:
        self.position += 1
        top, bottom = self._argument(), self._argument()
        n, k = (_whole(part) for part in (top, bottom))
        if n is None or k is None:
            return algebra.opaque("binom", top, bottom)
        if not 0 <= k <= n <= _MAX_COMB:
            raise Undecided("a binomial coefficient out of range")
        return algebra.constant(comb(n, k))


def _whole(form: Form) -> int | None:
    value = algebra.constant_of(form)
    if value is None or not value.keys() <= {(1, 0)} or value.get((1, 0), (0, 1))[1] != 1:
        return None
    return value.get((1, 0), (0, 1))[0]


def _applied(name: str, argument: Form) -> Form:
    value = algebra.constant_of(argument)
    if name == "exp":
        return algebra.power(algebra.generator("e"), argument)
    if name == "ln":
        return _logarithm(algebra.generator("e"), argument)
    if value is not None and name in _CIRCULAR:
        found = _angle(name, value)
        if found is not None:
            return algebra.exact(found)
    return algebra.opaque(name, argument)


def _angle(name: str, value: Surd) -> Surd | None:
    """A function of a multiple of 15 degrees, exactly; None for any other angle."""
    if value and value.keys() != {(1, 1)}:
        return None
    n, d = value.get((1, 1), (0, 1))
    if 12 % d:
        return None
    steps = n * (12 // d)
    sine, cosine = _sine(steps), _sine(steps + 6)
    top, bottom = {
        "sin": (sine, None), "cos": (cosine, None), "tan": (sine, cosine), "cot": (cosine, sine),
        "sec": (surd.rational(1), cosine), "csc": (surd.rational(1), sine),
    }[name]  # fmt: skip
    if bottom is None:
        return top
    if not bottom:
        raise Malformed(f"{name} of an angle where it has no value")
    return surd.divide(top, bottom)


def _sine(steps: int) -> Surd:
    """The sine of a multiple of 15 degrees."""
    steps %= 24
    value = _SINES[min(steps % 12, 12 - steps % 12)]
    return surd.negate(value) if steps > 12 else value


def _logarithm(base: Form, argument: Form) -> Form:
    """A logarithm, exactly where the argument is a power of the base."""
    if argument == base:
        return algebra.constant(1)
    if algebra.constant_of(argument) == {(1, 0): (1, 1)}:
        return algebra.constant(0)
    b, a = (_positive(part) for part in (base, argument))
    if a is not None and b is not None and b[0] > b[1] == 1:
        for turned in (False, True):
            top, bottom = (a[1], a[0]) if turned else a
            exponent = 0
            while bottom == 1 and top > 1 and top % b[0] == 0:
                top //= b[0]
                exponent += 1
            if bottom == top == 1 and exponent:
                return algebra.constant(-exponent if turned else exponent)
    if not argument.top:
        raise Malformed("the logarithm of zero")
    name = "ln" if base == algebra.generator("e") else "log"
    return algebra.opaque(name, *((argument,) if name == "ln" else (base, argument)))


def _positive(form: Form) -> tuple[int, int] | None:
    """Numerator and denominator of a positive rational number, or None."""
    value = algebra.constant_of(form)
    if value is None or value.keys() != {(1, 0)} or value[1, 0][0] <= 0:
        return None
    return value[1, 0]
