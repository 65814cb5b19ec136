"""`BoxParser` and `BoxesParser`: the one bounding box of a completion, or all with labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from vlreward.frames import AmbiguousBox, NamedBox
from vlreward.geometry import Box
from vlreward.parsers._found import S, Stated
from vlreward.parsers._prose import NOTHING, read
from vlreward.parsers._scan import Scan
from vlreward.parsers.tags import AnswerParser, Several, excerpt
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["BoxParser", "BoxesParser", "LabelledBox"]

_N = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_QUAD = rf"(\[{S}{_N}{S},{S}{_N}{S},{S}{_N}{S},{S}{_N}{S}\])"
_STRING = r"""(?:"[^"\\]*"|'[^'\\]*')"""
_ONE = re.compile(
    rf"(?:```(?:json)?\s{{1,64}})?(?:\[{S})?"
    rf"""(\{{{S}["']bbox(?:_2d)?["']{S}:{S})?{_QUAD}"""
    rf"""(?(1)(?:{S},{S}["']label["']{S}:{S}{_STRING})?{S}\}}){S}\]?(?:\s{{0,64}}```)?\Z"""
)
"""One box and nothing else, in the forms that models are trained to write. Whatever it does not
match, and whatever is no box, the scan reads; where both read, they read the same."""


_KINDS = {"written": Box, "named": NamedBox, "ambiguous": AmbiguousBox}


class LabelledBox(NamedTuple):
    """A box with what the model calls it."""

    box: Box
    """In the frame that the model wrote."""
    label: str | None
    """The text beside it, None if there is none."""


@dataclass(frozen=True, slots=True)
class BoxParser(AnswerParser[Box]):
    """Reads one axis-aligned box from a completion.

    Understood, with any white space, numbers as integers, decimals or in scientific notation, with
    full-width digits and punctuation or the plain ones, with `px` behind them or not:

    - JSON or a Python repr: an object, or a list of objects at any depth, with a key that says
      box, however it is spelled: `bbox_2d`, `Bounding Boxes`, `box`, `position` ...; fenced or
      not, with structures and fences closed or not, the numbers quoted or not.
    - Objects, attributes or prose that name the coordinates: `x1, y1, x2, y2`, `xmin …`,
      `left, top, right, bottom`, `x, y, width, height`, `top_left` and `bottom_right`.
    - A free list `[x1, y1, x2, y2]`, `(…)` or `<…>`, alone, in lists, in prose, or in tags such as
      `<box>[[x1, y1, x2, y2]]</box>`, `<bbox>x1 y1 x2 y2</bbox>`; four numbers alone.
    - Corners `(x1,y1),(x2,y2)`, with box tokens around them or not, `(x1, y1) to (x2, y2)`.
    - Location tokens `<loc0123>`, `<loc_123>`, `<123>` and Kosmos-2's patches.

    Labels, other keys' values, points and lists of another length are never a box. A box that is
    stated twice with equal coordinates is one box.

    Gives the box in the frame and order that the model wrote, whole numbers as int, with the span
    of its numbers and brackets; a `NamedBox` or `AmbiguousBox` where the text says more or less of
    the order (see `vlreward.frames.x_first`). Or a failure: those of `answer_region`; `no_box`;
    `multiple_boxes`; `invalid_box` for what is no `Box`; `bad_number` for what is no finite number
    of at most 10^12; `too_long`; `too_complex` for more than 2,000 tokens or 32 levels of
    structure.

    Example:
        >>> parse = BoxParser()
        >>> parse('<answer>{"bbox_2d": [14, 135, 136, 470], "label": "a man"}</answer>').value
        Box(x1=14, y1=135, x2=136, y2=470)
        >>> parse("<answer>[14, 135, 136, 470] or [390, 140, 478, 425]</answer>").code.value
        'multiple_boxes'
    """

    several_boxes: Several = "fail"
    """What to do with several boxes that differ. `first` and `last` choose by position, before
    the chosen one is checked."""
    corner_keys: bool = True
    """Whether two points under keys such as `top_left` and `bottom_right` are a box."""

    def _read(self, text: str, start: int, end: int) -> Parsed[Box] | ParseFailure:
        if one := _ONE.match(text, start, end):
            numbers = one.group(3, 4, 5, 6)
            corners: list[float]
            try:
                corners = list(map(int, numbers))
            except ValueError:
                corners = [int(n) if n.isdigit() else float(n) for n in numbers]
            x1, y1, x2, y2 = corners
            if x1 < x2 and y1 < y2:  # and nine digits at most: a box
                return Parsed(Box(x1, y1, x2, y2), one.span(2))
        scan = read(text, start, end, corner_keys=self.corner_keys)
        if isinstance(scan, ParseFailure):
            return scan
        found = scan.boxes
        if not found:
            return _no_box(scan, text, start, end)
        if len(found) > 1 and self.several_boxes == "fail":
            stated = [_reading(c) for c in found]
            if any(c.values for c in found) and any(c != stated[0] for c in stated):
                return ParseFailure(
                    FailureCode.MULTIPLE_BOXES, f"expected one box, got {len(found)}", (start, end)
                )
        chosen = found[-1 if self.several_boxes == "last" else 0]
        box = _box(chosen)
        return box if isinstance(box, ParseFailure) else Parsed(box, chosen.span)


@dataclass(frozen=True, slots=True)
class BoxesParser(AnswerParser[tuple[LabelledBox, ...]]):
    """Reads every box of a completion, each with its label; forms are those of `BoxParser`.

    An answer that says that there is nothing (`None`, `null`, an empty list, `no objects`) states
    no box, and that is no failure. Labels come from keys such as `label`, from `<ref>…</ref>` and
    its kin, and from the text beside location tokens.

    Gives the boxes in the order and frame in which they are written, with the span of the answer.
    Or a failure: those of `BoxParser` but `multiple_boxes`; one bad box is a failure of them all.

    Example:
        >>> parse = BoxesParser()
        >>> parse('<answer>[{"bbox_2d": [1, 2, 30, 40], "label": "a cat"}]</answer>').value
        (LabelledBox(box=Box(x1=1, y1=2, x2=30, y2=40), label='a cat'),)
        >>> parse("<answer>None</answer>").value
        ()
    """

    def _read(
        self, text: str, start: int, end: int
    ) -> Parsed[tuple[LabelledBox, ...]] | ParseFailure:
        scan = read(text, start, end)
        if isinstance(scan, ParseFailure):
            return scan
        if not scan.boxes and not NOTHING.fullmatch(text, start, end):
            return _no_box(scan, text, start, end)
        boxes = []
        for stated in scan.boxes:
            box = _box(stated)
            if isinstance(box, ParseFailure):
                return box
            boxes.append(LabelledBox(box, stated.label))
        return Parsed(tuple(boxes), (start, end))


def _no_box(scan: Scan, text: str, start: int, end: int) -> ParseFailure:
    nothing = NOTHING.fullmatch(text, start, end)
    got = scan.remark or (excerpt(text[start:end]) if nothing else "none")
    detail = f"expected a box such as [x1, y1, x2, y2], got {got}"
    return ParseFailure(FailureCode.NO_BOX, detail[:200], (start, end))


def _reading(found: Stated) -> tuple[tuple[float, ...] | None, bool]:
    """What two places must share to state the same box."""
    return found.values, found.order == "ambiguous"


def _box(found: Stated) -> Box | ParseFailure:
    if found.values is None:
        return ParseFailure(
            found.code, f"expected four finite numbers, got {found.detail}"[:200], found.span
        )
    x1, y1, x2, y2 = found.values
    try:
        return _KINDS[found.order](x1, y1, x2, y2)
    except ValueError:
        return ParseFailure(
            FailureCode.INVALID_BOX,
            f"expected x1 < x2 and y1 < y2, got ({x1:g}, {y1:g}, {x2:g}, {y2:g})",
            found.span,
        )
