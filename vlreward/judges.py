"""Judges: from a parsed answer to the gold's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlreward.frames import Frame, to_original, x_first
from vlreward.geometry import Box
from vlreward.types import FailureCode, ParseFailure, Row, Sample
from vlreward.verify import Policy, Verdict

__all__ = [
    "BoxJudge",
    "CornersJudge",
    "MathJudge",
    "PlainJudge",
    "ambiguous_axes",
    "declared_frame",
    "is_correct",
    "settled",
]


_ORIGINAL = Frame.ORIGINAL_PX
_UNBOUNDED = (float("inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class PlainJudge:
    """Takes every answer as it is."""

    def many(self, answers: Sequence[Any], samples: Sequence[Sample | Row]) -> list[Any]:
        """The answers, unchanged."""
        return list(answers)


@dataclass(frozen=True, slots=True)
class BoxJudge:
    """Converts a box from the sample's declared frame and order to pixels of the original image."""

    clip: bool = False
    """Clip boxes to the frame. By default a box that leaves it is a failure, `out_of_frame`."""

    def many(
        self, answers: Sequence[Box], samples: Sequence[Sample | Row]
    ) -> list[Box | ParseFailure]:
        """A box in original pixels, `out_of_frame` or `ambiguous_axes`, for each answer.

        Raises:
            ValueError: If a sample declares no frame, or lacks a size that its frame needs.
        """
        return [self._one(box, sample) for box, sample in zip(answers, samples)]

    def _one(self, answer: Box, sample: Sample | Row) -> Box | ParseFailure:
        box = x_first(answer, sample.axis_order)
        if box is None:
            return ambiguous_axes()
        frame, size = sample.frame or declared_frame(sample), sample.image_size
        extent = frame.extent(size, sample.input_size)
        if frame is not _ORIGINAL and (extent is None or size is None):
            declared_frame(sample)  # says which size is missing
        # Original pixels of an image of unknown size: only the origin bounds them.
        right, bottom = extent or _UNBOUNDED
        x1, y1, x2, y2 = box
        if x1 < 0 or y1 < 0 or x2 > right or y2 > bottom:
            inside = box.clipped(right, bottom) if self.clip else None
            if inside is None:
                return ParseFailure(
                    FailureCode.OUT_OF_FRAME,
                    f"expected a box within {frame.value} (0, 0, {right:g}, {bottom:g}), got "
                    f"({x1:g}, {y1:g}, {x2:g}, {y2:g})",
                )
            box = inside
        if frame is _ORIGINAL:
            return box
        try:
            return to_original(box, frame, image_size=size, input_size=sample.input_size)
        except ValueError as error:  # a box so thin that it vanishes when scaled
            return ParseFailure(FailureCode.INVALID_BOX, str(error)[:200])


@dataclass(frozen=True, slots=True)
class CornersJudge:
    """Scales four plain numbers, which need not be a valid box, to original pixels.

    For the protocols that reproduce published code; nothing is checked or clipped there.
    """

    def many(
        self, answers: Sequence[tuple[float, ...]], samples: Sequence[Sample | Row]
    ) -> list[tuple[float, ...]]:
        """Four numbers in original pixels for each answer."""
        judged = []
        for corners, sample in zip(answers, samples):
            frame = declared_frame(sample)
            if frame is not Frame.ORIGINAL_PX and sample.image_size is not None:
                extent = frame.extent(sample.image_size, sample.input_size)
                if extent is not None:
                    x, y = (to / side for to, side in zip(sample.image_size, extent))
                    x1, y1, x2, y2 = corners
                    corners = (x1 * x, y1 * y, x2 * x, y2 * y)
            judged.append(corners)
        return judged


@dataclass(frozen=True, slots=True)
class MathJudge:
    """Asks the verifier whether an answer equals the gold expression."""

    policy: Policy = field(default_factory=Policy)
    """What counts as equal, and how long a verification may take."""

    def many(
        self, answers: Sequence[str], samples: Sequence[Sample | Row]
    ) -> list[Verdict | ParseFailure]:
        """A verdict `correct` or `wrong`, or why there is none, for each answer."""
        from vlreward.verify import verify_batch

        pairs = [(sample.target, answer) for answer, sample in zip(answers, samples)]
        return [settled(verdict) for verdict in verify_batch(pairs, self.policy)]

    def quick(
        self, answers: Sequence[str], samples: Sequence[Sample | Row]
    ) -> list[Verdict | ParseFailure | None]:
        """As `many`, but None for a pair that only a worker process can settle."""
        from vlreward.verify import verify_quickly

        verdicts = [
            verify_quickly(sample.target, answer, self.policy)
            for answer, sample in zip(answers, samples)
        ]
        return [None if verdict is None else settled(verdict) for verdict in verdicts]

    def with_deadline(self, seconds: float) -> MathJudge:
        """The judge with another limit for one verification."""
        return replace(self, policy=replace(self.policy, deadline=seconds))


def settled(verdict: Verdict) -> Verdict | ParseFailure:
    """The verdict if it is one on mathematics, else the failure that it reports."""
    if verdict.outcome in ("correct", "wrong"):
        return verdict
    return ParseFailure(FailureCode(verdict.outcome), verdict.detail)


def is_correct(verdict: Verdict, _gold: Any) -> float:
    """1.0 for the verdict `correct`, else 0.0: the answer term of what `MathJudge` judges."""
    return float(verdict.correct)


def ambiguous_axes() -> ParseFailure:
    """The failure of what some families write y first, where no order is declared."""
    return ParseFailure(
        FailureCode.AMBIGUOUS_AXES,
        "expected a declared order of the axes for a key or tokens that some families write y "
        "first: declare the family, or axis_order 'xy' or 'yx'",
    )


def declared_frame(sample: Sample | Row) -> Frame:
    """The frame that the sample declares for predicted boxes, with the sizes that it needs.

    Raises:
        ValueError: If none is declared or a size is missing.
    """
    if sample.frame is None:
        raise ValueError(
            f"sample {sample.id!r} declares no frame for predicted boxes; expected one of "
            f"{', '.join(Frame)} (see vlreward.frames.FAMILIES)"
        )
    sample.frame.check_sizes(sample.image_size, sample.input_size)
    return sample.frame
