"""What a scan of a text finds, and the numbers that it is written with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from vlreward.geometry import MOST
from vlreward.types import FailureCode

__all__ = ["NUMBER", "Order", "S", "Stated", "TooComplex", "read_numbers"]

_MAX_DIGITS = 64  # characters of one number

S = r"\s{0,64}"  # no answer has more white space; that bounds the cost of giving it back
NUMBER = r"[-+]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[eE][-+]?[0-9]{1,5})?"
_FULL_NUMBER = re.compile(NUMBER)
_UNIT = re.compile(r"\s?(?:px|pixels?|像素)\Z", re.IGNORECASE)

Order = Literal["written", "named", "ambiguous"]
"""`written`: in the order that the family declares. `named`: x before y, the names say so.
`ambiguous`: under a key that some families write y first."""


class TooComplex(Exception):
    """The text has more structure than any honest answer; the message says which limit."""


class Stated:
    """One place that states a box or a point, well or badly."""

    __slots__ = ("code", "detail", "label", "order", "span", "values")

    code: FailureCode
    """Why there are no values; set only then."""
    detail: str
    """The same for a person."""

    def __init__(
        self, span: tuple[int, int], values: tuple[float, ...] | None, order: Order = "written"
    ) -> None:
        """Keep what was seen.

        Args:
            span: Half-open character range of the numbers with their brackets.
            values: Four numbers or two, in the order written; None if `code` says what is wrong.
            order: Whether x comes first in `values`.
        """
        self.span = span
        self.values = values
        self.order: Order = order
        self.label: str | None = None
        """The text that names it."""

    @classmethod
    def wrong(cls, span: tuple[int, int], code: FailureCode, detail: str) -> Stated:
        """A place that states something badly: with the code and what a person should know."""
        stated = cls(span, None)
        stated.code, stated.detail = code, detail
        return stated


def read_numbers(atoms: Sequence[str]) -> tuple[float, ...] | str:
    """Coordinates as written, int where written as one; or the first that is none."""
    values: list[float] = []
    for atom in atoms:
        number = _UNIT.sub("", atom.strip("\"'"))
        if len(number) > _MAX_DIGITS or not _FULL_NUMBER.fullmatch(number):
            return atom
        value = int(number) if number.lstrip("+-").isdecimal() else float(number)
        if not -MOST <= value <= MOST:
            return atom
        values.append(value)
    return tuple(values)
