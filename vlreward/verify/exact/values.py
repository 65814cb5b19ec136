"""What a gold or an answer can be once it has been read."""

from __future__ import annotations

from dataclasses import dataclass

from vlreward.verify.exact.algebra import Form, Poly
from vlreward.verify.exact.surd import Surd
from vlreward.verify.exact.units import Unit

__all__ = [
    "Choice",
    "Clock",
    "Empty",
    "Equation",
    "Group",
    "InBase",
    "Infinity",
    "Named",
    "Number",
    "Range",
    "Ratio",
    "Relation",
    "Spelled",
    "Symbol",
    "Symbolic",
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
            set, ``⟦`` and ``⟧`` for a matrix of rows; empty for a list without brackets.
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

    low: Number | Symbolic | Infinity
    high: Number | Symbolic | Infinity
    low_open: bool
    high_open: bool


@dataclass(slots=True, eq=False)
class Union:
    """A union of intervals and sets."""

    parts: tuple[Group | Range, ...]


@dataclass(slots=True, eq=False)
class Ratio:
    """``a : b`` or longer."""

    parts: tuple[Number | Symbolic, ...]


@dataclass(slots=True, eq=False)
class Choice:
    """An option of a multiple choice question.

    Attributes:
        letter: Its capital.
        text: The content that was given beside it, in canonical text; empty where there is none.
        content: What the content may stand for; empty where it was not read.
    """

    letter: str
    text: str = ""
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
class Spelled:
    """A short run of letters: the name of points, an angle, a theorem, a word or a product.

    Attributes:
        text: The letters.
        mark: What stands before or between them: ``∠``, ``△``, ``∥``, ``⊥`` or nothing.
    """

    text: str
    mark: str = ""


@dataclass(slots=True, eq=False)
class Symbolic:
    """An expression in letters, or of numbers that only a function gives.

    Attributes:
        form: The expression.
        places, unit: As of a `Number`.
        text: The canonical text of the expression without its unit.
    """

    form: Form
    places: int | None
    unit: Unit | None
    text: str


@dataclass(slots=True, eq=False)
class Relation:
    """An equation or inequality that is not solved: ``2x + 1 = 5``, ``x ≠ 3``.

    Attributes:
        sign: ``=``, ``≠``, ``<`` or ``≤``; the others are turned around.
        poly: What is compared with zero; empty for a relation that says nothing.
        text: The canonical text.
    """

    sign: str
    poly: Poly
    text: str


@dataclass(slots=True, eq=False)
class InBase:
    """Digits in a base that is written beside them: ``1010_2``."""

    digits: str
    base: int


@dataclass(slots=True, eq=False)
class Clock:
    """A time of the day; `half` is ``am``, ``pm`` or empty."""

    hour: int
    minute: int
    half: str


@dataclass(slots=True, eq=False)
class Empty:
    """The empty set; the answer that there is no solution."""


@dataclass(slots=True, eq=False)
class Equation:
    """An equation that is not read further, or one that states nothing: ``6 = 5``."""

    text: str


@dataclass(slots=True, eq=False)
class Named:
    """A value with the name it was given: ``x = 5``, ``AB = 4``, ``x < 3``."""

    name: str
    value: Value


Value = (
    Number
    | Symbolic
    | Infinity
    | Group
    | Range
    | Union
    | Ratio
    | Choice
    | Symbol
    | Spelled
    | Word
    | Relation
    | Equation
    | InBase
    | Clock
    | Empty
    | Named
)
