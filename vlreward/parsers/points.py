"""`PointParser`: the one point of a completion, or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from vlreward.parsers._found import Stated
from vlreward.parsers._prose import read
from vlreward.parsers.tags import AnswerParser, Several
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["AmbiguousPoint", "NamedPoint", "Point", "PointParser"]


class Point(NamedTuple):
    """A place in the frame that the model wrote."""

    x: float
    """To the right."""
    y: float
    """Downward."""


class NamedPoint(Point):
    """A point whose text names its coordinates: no order needs declaring."""

    __slots__ = ()
    axes: ClassVar[str] = "named"


class AmbiguousPoint(Point):
    """A point that some families write y first, in the order written."""

    __slots__ = ()
    axes: ClassVar[str] = "ambiguous"


_KINDS = {"written": Point, "named": NamedPoint, "ambiguous": AmbiguousPoint}


@dataclass(frozen=True, slots=True)
class PointParser(AnswerParser[Point]):
    """Reads one point from a completion, as pointing and GUI models write it.

    Understood: `[x, y]`, `(x, y)` and two numbers alone; keys such as `point_2d`, `coordinate`,
    `click`, and objects with `x` and `y`; `<point>x y</point>`, Molmo's `<point x="…" y="…">` and
    `<points …>`; actions such as `pyautogui.click(x=0.5, y=0.3)` and
    `click(start_box='<|box_start|>(x,y)<|box_end|>')`; tool calls with a `coordinate`. Where no
    point is stated, the centre of the box that is: every form of `BoxParser`. A point that is
    stated twice is one point.

    Gives the point in the frame and order that the model wrote (see `vlreward.frames.x_first`),
    whole numbers as int, with the span of its numbers and brackets. Or a failure: those of
    `answer_region`; `no_point`; `multiple_points`; `bad_number` for what is no finite number of at
    most 10^12; `too_long`; `too_complex` for more than 2,000 tokens or 32 levels of structure.

    Example:
        >>> parse = PointParser()
        >>> parse("<answer>pyautogui.click(x=0.5, y=0.25)</answer>").value
        NamedPoint(x=0.5, y=0.25)
        >>> parse('<answer>{"bbox_2d": [10, 20, 30, 60]}</answer>').value
        Point(x=20.0, y=40.0)
    """

    several_points: Several = "fail"
    """What to do with several points that differ. `first` and `last` choose by position, before
    the chosen one is checked."""
    boxes: bool = True
    """Whether the centre of a box is a point where no point is stated."""

    def _read(self, text: str, start: int, end: int) -> Parsed[Point] | ParseFailure:
        scan = read(text, start, end, points=True)
        if isinstance(scan, ParseFailure):
            return scan
        found = scan.points or (scan.boxes if self.boxes else [])
        if not found:
            got = scan.remark or (f"{len(scan.boxes)} boxes" if scan.boxes else "none")
            detail = f"expected a point such as [x, y], got {got}"
            return ParseFailure(FailureCode.NO_POINT, detail[:200], (start, end))
        if self.several_points == "fail" and len(found) > 1:
            stated = [c.values for c in found]
            if any(values != stated[0] for values in stated):
                return ParseFailure(
                    FailureCode.MULTIPLE_POINTS,
                    f"expected one point, got {len(found)}",
                    (start, end),
                )
        return _point(found[-1 if self.several_points == "last" else 0])


def _point(found: Stated) -> Parsed[Point] | ParseFailure:
    values = found.values
    if values is None:
        return ParseFailure(
            found.code, f"expected finite numbers, got {found.detail}"[:200], found.span
        )
    kind = _KINDS[found.order]
    if len(values) == 2:
        return Parsed(kind(*values), found.span)
    x1, y1, x2, y2 = values
    return Parsed(kind((x1 + x2) / 2, (y1 + y2) / 2), found.span)
