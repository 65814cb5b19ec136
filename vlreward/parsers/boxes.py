"""`BoxParser`: the one bounding box of a completion."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlreward.geometry import Box, unchecked_box
from vlreward.parsers._box_scan import Candidate, TooComplex, candidates
from vlreward.parsers.tags import (
    MAX_CHARS,
    NO_TAG,
    PLAIN_STRUCTURE,
    Several,
    Where,
    answer_region,
    check_choices,
)
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["BoxParser"]

# What nearly every completion looks like: one box in whole numbers, maybe labelled, maybe fenced.
# The scan gives the same result for each text that this matches, but takes several times as long.
# There is no "<" in it, so that it may stand where the plain structure has its answer.
_S = r"\s{0,64}"
_N = r"([0-9]{1,12})"
_USUAL = (
    rf"{_S}(?:```(?:json)?{_S})?(?:\[{_S})?"
    rf'\{{{_S}"bbox_2d":{_S}(\[{_N},{_S}{_N},{_S}{_N},{_S}{_N}\])'
    rf'(?:,{_S}"label":{_S}"[^"\\<]*")?{_S}\}}{_S}(?:\]{_S})?(?:```{_S})?'
)
_USUAL_TAG = re.compile(rf"<answer>{_USUAL}</answer>")
_USUAL_WHOLE = re.compile(rf"{_USUAL}\Z")
_USUAL_STRUCTURE = re.compile(PLAIN_STRUCTURE % _USUAL)


@dataclass(frozen=True, slots=True)
class BoxParser:
    """Reads one axis-aligned box from a completion.

    Understood, with any white space, numbers as integers, decimals or in scientific notation:

    - JSON or a Python repr: an object, or a list of objects at any depth, with the key `bbox_2d`,
      `bbox` or `box_2d`; fenced or not, with structures and fences closed or not.
    - A free list `[x1, y1, x2, y2]` or tuple, alone, in lists, in prose, or as
      `<box>[[x1, y1, x2, y2]]</box>`; four numbers with commas if there is nothing else.
    - Corners `(x1,y1),(x2,y2)`, with box tokens around them or not.

    Labels, other keys' values, points and lists of another length are never a box. A box that is
    stated twice with equal coordinates is one box.

    Example:
        >>> parse = BoxParser()
        >>> parse('<answer>{"bbox_2d": [14, 135, 136, 470], "label": "a man"}</answer>').value
        Box(x1=14, y1=135, x2=136, y2=470)
        >>> parse("<answer>[14, 135, 136, 470] or [390, 140, 478, 425]</answer>").code.value
        'multiple_boxes'
    """

    where: Where = "tag"
    """Read the box from `<answer>…</answer>` (`tag`) or from the whole output (`whole`)."""
    several_answers: Several = "fail"
    """What to do with several `<answer>` blocks that differ; see `answer_region`."""
    several_boxes: Several = "fail"
    """What to do with several boxes that differ. `first` and `last` choose by position, before
    the chosen one is checked."""
    y_first: bool | None = None
    """Whether numbers are written (y1, x1, y2, x2). None: only under the key `box_2d`."""
    max_chars: int = MAX_CHARS
    """Longer completions are refused unread, with `too_long`."""

    def __post_init__(self) -> None:
        check_choices(self, where=Where, several_answers=Several, several_boxes=Several)

    def __call__(self, text: str) -> Parsed[Box] | ParseFailure:
        """Read the box of one completion; never raises on text.

        Returns:
            The box in the frame that the model wrote, corners (x1, y1, x2, y2), whole numbers as
            int, with the span of its numbers and brackets. Or a failure: those of
            `answer_region`; `no_box`; `multiple_boxes`; `invalid_box` unless x1 < x2 and y1 < y2;
            `bad_number` for what is no finite number of at most 10^12; `too_long`; `too_complex`
            for more than 2,000 tokens or 32 levels of structure.
        """
        if len(text) > self.max_chars:
            return ParseFailure(
                FailureCode.TOO_LONG,
                f"expected at most {self.max_chars} characters, got {len(text)}",
            )
        if not self.y_first:
            if self.where == "whole":
                match = _USUAL_WHOLE.match(text)
            else:
                start = text.rfind("<answer>")
                if start < 0:
                    return NO_TAG
                match = _USUAL_TAG.match(text, start)
                if match and text.find("</answer>", 0, start) >= 0:
                    match = None
            if match and (box := _usual_box(match)):
                return Parsed(box, match.span(1))
        return self._scan(text)

    def usual(self, text: str) -> Box | ParseFailure | None:
        """What calling gives, without the span, where one look is enough: `spec.UsualParser`."""
        if self.y_first or self.where == "whole" or len(text) > self.max_chars:
            return None
        match = _USUAL_STRUCTURE.match(text)
        if match and len(text) <= MAX_CHARS:
            return _usual_box(match)
        return None if "<answer>" in text else NO_TAG

    def _scan(self, text: str) -> Parsed[Box] | ParseFailure:
        region = answer_region(text, self.where, self.several_answers)
        if isinstance(region, ParseFailure):
            return region
        assert region.span is not None
        try:
            found, remark = candidates(text, *region.span)
        except TooComplex as error:
            return ParseFailure(FailureCode.TOO_COMPLEX, str(error), region.span)
        if not found:
            return ParseFailure(
                FailureCode.NO_BOX,
                f"expected a box such as [x1, y1, x2, y2], got {remark or 'none'}",
                region.span,
            )
        if self.several_boxes == "fail":
            stated = [c for c in found if c.values is not None]
            if stated and any(self._corners(c) != self._corners(stated[0]) for c in found):
                return ParseFailure(
                    FailureCode.MULTIPLE_BOXES, f"expected one box, got {len(found)}", region.span
                )
        return self._box(found[-1 if self.several_boxes == "last" else 0])

    def _corners(self, found: Candidate) -> tuple[float, float, float, float] | None:
        if found.values is None:
            return None
        y_first = found.key == "box_2d" if self.y_first is None else self.y_first
        if y_first:
            y1, x1, y2, x2 = found.values
            return x1, y1, x2, y2
        return found.values

    def _box(self, found: Candidate) -> Parsed[Box] | ParseFailure:
        corners = self._corners(found)
        if corners is None:
            return ParseFailure(
                found.code, f"expected four finite numbers, got {found.detail}", found.span
            )
        x1, y1, x2, y2 = corners
        if not (x1 < x2 and y1 < y2):
            return ParseFailure(
                FailureCode.INVALID_BOX,
                f"expected x1 < x2 and y1 < y2, got ({x1:g}, {y1:g}, {x2:g}, {y2:g})",
                found.span,
            )
        return Parsed(Box(x1, y1, x2, y2), found.span)


def _usual_box(match: re.Match[str]) -> Box | None:
    n1, n2, n3, n4 = match.group(2, 3, 4, 5)
    x1, y1, x2, y2 = int(n1), int(n2), int(n3), int(n4)
    return unchecked_box((x1, y1, x2, y2)) if x1 < x2 and y1 < y2 else None
