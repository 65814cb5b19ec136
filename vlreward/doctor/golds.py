"""Gold boxes that cannot be what the data means: outside the image, or ratios taken for pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from vlreward.doctor.observations import Observation

__all__ = ["gold_problem", "gold_remedy"]

Problem = Literal["outside", "ratio"]
_TOLERANCE = 2.0  # pixels; published golds leave their image by one


def gold_problem(observation: Observation) -> Problem | None:
    """What is wrong with the gold box of a row, if it has one and something is.

    A box within 0..1 is a ratio: nobody annotates what is smaller than a pixel. One that leaves the
    image by more than two pixels is measured in something else.
    """
    box, size = observation.gold, observation.image_size
    if box is None:
        return None
    if min(box) >= 0 and max(box) <= 1:
        return "ratio"
    if min(box) < -_TOLERANCE:
        return "outside"
    if size is None:
        return None
    leaves = box[2] > size.width + _TOLERANCE or box[3] > size.height + _TOLERANCE
    return "outside" if leaves else None


def gold_remedy(golds: Sequence[tuple[Problem, Observation]]) -> str:
    """What the golds look like, with how to declare it; empty if there are none."""
    problems = {problem for problem, _ in golds}
    if problems == {"ratio"}:
        return (
            "they look like ratios: give each gold a frame, e.g. {'box': [...], 'frame': 'norm1'}, "
            "or read all of them with --gold-frame norm1"
        )
    if "outside" in problems:
        most = max(max(o.gold) for _, o in golds if o.gold is not None)
        if most <= 1000:
            return (
                "they fit 0 to 1000: give each gold a frame, e.g. 'frame': 'norm1000', or read all "
                "of them with --gold-frame norm1000"
            )
        return "they are pixels of another image: of the resized one, or of another file"
    return ""
