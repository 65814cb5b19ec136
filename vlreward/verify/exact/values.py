"""What a gold or an answer can be once it has been read."""

from __future__ import annotations

from dataclasses import dataclass

from vlreward.verify.exact.surd import Surd
from vlreward.verify.exact.units import Unit

__all__ = [
    "Choice",
    "Equation",
    "Group",
    "Infinity",
    "Named",
    "Number",
    "Range",
    "Ratio",
    "Symbol",
    "Union",
    "Value",
    "Word",
]


@dataclass(slots=True, eq=False)
class Number:
    """A real number.

    Attributes:
        surd: The exact value; 50 for ``50%``, 5 for ``5 cm``.
        places: The most digits after a decimal point that any number in the text shows, or None
            where there is no decimal point.
        percent: Whether a percent sign follows.
        unit: The unit, or None.
    """

    surd: Surd
    places: int | None = None
    percent: bool = False
    unit: Unit | None = None


@dataclass(slots=True, eq=False)
class Infinity:
    """An end of an unbounded interval; `sign` is 1 or -1."""

    sign: int


@dataclass(slots=True, eq=False)
class Group:
    """A tuple, set, interval or list.

    Attributes:
        opening, closing: ``(`` and ``)``, ``[`` and ``]`` or a mix of them; ``⦃`` and ``⦄`` for a
            set; empty for a list without brackets.
        items: The elements, in the order of the text.
    """

    opening: str
    closing: str
    items: tuple[Value, ...]


@dataclass(slots=True, eq=False)
class Range:
    """The interval that an inequality such as ``1 < x <= 3`` describes.

    Attributes:
        low, high: The ends.
        low_open, high_open: Whether each end is left out; an infinite end always is.
    """

    low: Number | Infinity
    high: Number | Infinity
    low_open: bool
    high_open: bool


@dataclass(slots=True, eq=False)
class Union:
    """A union of intervals and sets."""

    parts: tuple[Group, ...]


@dataclass(slots=True, eq=False)
class Ratio:
    """``a : b`` or longer."""

    parts: tuple[Number, ...]


@dataclass(slots=True, eq=False)
class Choice:
    """An option of a multiple choice question, with the content that was given beside it."""

    letter: str
    content: tuple[Value, ...] = ()


@dataclass(slots=True, eq=False)
class Symbol:
    """One letter on its own."""

    letter: str


@dataclass(slots=True, eq=False)
class Word:
    """Prose, in lower case and with single spaces."""

    text: str


@dataclass(slots=True, eq=False)
class Equation:
    """An equation that is not an assignment: ``2x + 1 = 5``."""

    text: str


@dataclass(slots=True, eq=False)
class Named:
    """A value with the name it was given: ``x = 5``, ``AB = 4``, ``x < 3``."""

    name: str
    value: Value


Value = (
    Number | Infinity | Group | Range | Union | Ratio | Choice | Symbol | Word | Equation | Named
)
