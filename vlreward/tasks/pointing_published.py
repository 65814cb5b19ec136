"""Pointing under the rule by which VLM-R1's fork for ScreenSpot scored its clicks, bit for bit.

The first `<answer>`; in it the first `[x, y]` of unsigned integers, else the centre, rounded down,
of the first `[x1, y1, x2, y2]`; right if it lies in the gold box, borders included. What is missing
is the point (0, 0), which is right where the gold box has that corner.

Source: IANNXANG/VLM-R1, `test_rec_r1_click.py`, and the result files that it wrote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlreward.frames import Frame
from vlreward.judges import CornersJudge
from vlreward.metrics.points import point_inside
from vlreward.parsers.points import Point
from vlreward.parsers.tags import MAX_CHARS, too_long
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.types import Parsed, ParseFailure, Row, Sample

__all__ = ["ClickJudge", "click_point", "published"]

_MAX_DIGITS = 100  # products stay finite
_S = r"\s{0,64}"
_D = rf"{_S}(\d{{1,{_MAX_DIGITS}}}){_S}"
_POINT = re.compile(rf"\[{_D},{_D}\]")
_BOX = re.compile(rf"\[{_D},{_D},{_D},{_D}\]")
_OPEN, _CLOSE = "<answer>", "</answer>"


def click_point(text: str) -> Parsed[Point] | ParseFailure:
    """The point that the rule reads in a completion.

    Example:
        >>> click_point("<answer>[412,603,532,614]</answer>").value
        Point(x=472, y=608)
        >>> click_point("I do not see it.").value
        Point(x=0, y=0)
    """
    if len(text) > MAX_CHARS:
        return too_long(MAX_CHARS, len(text))
    start = text.find(_OPEN)
    end = text.find(_CLOSE, start) if start >= 0 else -1
    if end >= 0:
        if match := _POINT.search(text, start, end):
            return Parsed(Point(int(match[1]), int(match[2])), match.span())
        if match := _BOX.search(text, start, end):
            x1, y1, x2, y2 = map(int, match.groups())
            return Parsed(Point((x1 + x2) // 2, (y1 + y2) // 2), match.span())
    return Parsed(Point(0, 0))


@dataclass(frozen=True, slots=True)
class ClickJudge:
    """Scales a point to original pixels, where a sample declares another frame."""

    def many(self, answers: Sequence[Point], samples: Sequence[Sample | Row]) -> list[Point]:
        """A point in original pixels for each answer; nothing is checked."""
        return [
            point
            if sample.frame in (None, Frame.ORIGINAL_PX)
            else Point(*CornersJudge().many([(*point, *point)], [sample])[0][:2])
            for point, sample in zip(answers, samples)
        ]


def published(strict: TaskSpec) -> tuple[TaskSpec, ...]:
    """The published variants of the strict task."""
    inside = AnswerTerm("acc", point_inside)
    update = {
        "protocol": "vlm-r1",
        "parser": click_point,
        "judge": ClickJudge(),
        "terms": (inside,),
        "extra_terms": (),
        "metrics": (inside,),
        "figures": (),
    }
    return tuple(
        strict.model_copy(update={**update, "method": method}) for method in ("r1", "train")
    )
