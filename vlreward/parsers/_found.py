"""What a scan has found so far: boxes, points, and a remark on all else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from vlreward.geometry import MOST
from vlreward.parsers._keys import Meaning, named_box, named_point
from vlreward.parsers.tags import excerpt
from vlreward.types import FailureCode

__all__ = [
    "BARE",
    "MAX_TOKENS",
    "NUMBER",
    "Found",
    "Order",
    "S",
    "Stated",
    "TooComplex",
    "read_numbers",
]

MAX_TOKENS = 2_000  # a list of a hundred labelled boxes has about 500
BARE = Meaning("wrapper")
"""What numbers are that stand under no key."""
_READ = ("wrapper", "box", "place")  # kinds under which four numbers are a box
_POINTS = ("wrapper", "place", "point")


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


class Found:
    """What a text states, noted by those who read it."""

    __slots__ = (
        *("_parts", "_steps", "boxes", "corner_keys", "end", "key", "original", "points", "role"),
        "seen",
    )

    def __init__(self, end: int, original: str, corner_keys: bool = True) -> None:
        """Begin with nothing.

        Args:
            end: Where the text ends that is read.
            original: That text, from which labels are taken.
            corner_keys: Whether keys such as `top_left` name the corners of a box.
        """
        self.boxes: list[Stated] = []
        """Every box, well or badly stated, in order."""
        self.points: list[Stated] = []
        """Every point, likewise."""
        self.seen: Counter[str] | None = None
        """What else was seen, and how often."""
        self.end = end
        self.original = original
        self.corner_keys = corner_keys
        self.role = BARE
        """What the key says that numbers stand under now."""
        self.key = ""
        """That key."""
        self._parts: dict[str, float] | None = None  # named coordinates of the object that is open
        self._steps = 0

    @property
    def remark(self) -> str:
        """What else was seen, for a person: `3 points, a list of 4 under the key 'foo'`."""
        shown = []
        if self.points:
            shown.append("1 point" if len(self.points) == 1 else f"{len(self.points)} points")
        for what, times in (self.seen or Counter()).most_common(2):
            shown.append(what if times == 1 else f"{times} times {what}")
        return ", ".join(shown)

    def add_box(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note four numbers as what their place makes them.

        Args:
            span: Where they stand.
            atoms: The numbers, as a pattern of numbers found them.
            order: Whether x comes first.
        """
        a, b, c, d = atoms
        try:
            values = (int(a), int(b), int(c), int(d))
        except ValueError:
            self.place(span, read_numbers(atoms), order)
            return
        role = self.role
        if max(values) > MOST:
            self.place(span, read_numbers(atoms), order)
        elif role.name or role.kind not in _READ:
            self.place(span, values, order)
        else:
            self.boxes.append(Stated(span, values, order))

    def place(self, span: tuple[int, int], values: tuple[float, ...] | str, order: Order) -> None:
        """Note four numbers, or the first that is none, as what their place makes them."""
        kind, form = self.role
        if kind not in _READ:
            self.note(self.under(4))
        elif isinstance(values, str):
            self.boxes.append(_bad_number(span, values))
        elif not form:
            self.boxes.append(Stated(span, values, order))
        elif form == "?":
            self.boxes.append(Stated(span, values, "ambiguous"))
        else:
            a, b, c, d = values
            corners = (b, a, d, c) if form == "yxyx" else (a, b, a + c, b + d)
            self.boxes.append(Stated(span, corners, "named"))

    def add_point(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note two numbers as what their place makes them; see `add_box`."""
        kind = self.role.kind
        values = read_numbers(atoms)
        if kind in _POINTS:
            if isinstance(values, str):
                self.points.append(_bad_number(span, values))
            else:
                self.points.append(Stated(span, values, order))
        elif kind == "corner" and self.corner_keys and not isinstance(values, str):
            self._corner(values, "written")
        elif kind == "box":
            self.boxes.append(Stated.wrong(span, FailureCode.NO_BOX, self.under(2)))
        else:
            self.note(self.under(2))

    def note(self, what: str) -> None:
        """Remember what was seen besides."""
        if self.seen is None:
            self.seen = Counter()
        if len(self.seen) < 8 or what in self.seen:
            self.seen[what] += 1

    def count(self, tokens: int) -> None:
        """Count work against the limit.

        Raises:
            TooComplex: If there are more than 2,000 tokens of structure.
        """
        self._steps += tokens
        if self._steps > MAX_TOKENS:
            raise TooComplex(f"expected at most {MAX_TOKENS} tokens of structure")

    def under(self, length: int) -> str:
        """A list of that length, and the key that it stands under."""
        under = "" if self.role is BARE else f" under the key {self.key[:40]!r}"
        return f"a list of {length}{under}"

    def add_named(self, parts: dict[str, float], span: tuple[int, int]) -> bool:
        """Note coordinates with names, if they make a box or a point; whether they do."""
        order: Order = "written" if "written" in parts else "named"
        box, point = named_box(parts), named_point(parts)
        if box:
            self.boxes.append(Stated(span, box, order))
        elif point and self.role.kind == "corner":
            self._corner(point, order)
        elif point:
            self.points.append(Stated(span, point, order))
        return bool(box or point)

    def _corner(self, point: tuple[float, ...], order: Order) -> None:
        """The value of a key such as `top_left`: half of a box."""
        which = "1" if self.role.name == "top_left" else "2"
        parts = self._named()
        parts["x" + which], parts["y" + which] = point
        if order == "written":
            parts["written"] = 1

    def _named(self) -> dict[str, float]:
        if self._parts is None:
            self._parts = {}
        return self._parts


def _bad_number(span: tuple[int, int], atom: str) -> Stated:
    return Stated.wrong(span, FailureCode.BAD_NUMBER, f"the number {excerpt(atom)}")
