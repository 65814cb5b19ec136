"""Which frame predicted boxes fit: a diagnosis for a person, never used for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlreward.doctor.observations import Corners, Observation
from vlreward.frames import Frame

__all__ = ["FrameFit", "frame_fits", "is_outside"]

_MOST = 0.95


@dataclass(frozen=True, slots=True)
class FrameFit:
    """How the boxes lie in one frame."""

    frame: Frame
    """The frame."""
    boxes: int
    """Boxes whose frame has a known extent."""
    inside: float
    """Share of those that lie inside."""
    fill: float
    """How far the boxes reach, as a share of the frame: 95th percentile of the larger of x2 / width
    and y2 / height. Near 1 for a frame that fits, near 0 for one that is far too large."""


def frame_fits(observations: Sequence[Observation]) -> list[FrameFit]:
    """Every frame with a known extent, the best fit first.

    A frame fits best if at least 95% of the boxes lie inside and they reach furthest in it.
    """
    fits = []
    for frame in Frame:
        placed = [
            (o.box, extent)
            for o in observations
            if o.box is not None and (extent := frame.extent(o.image_size, o.input_size))
        ]
        if placed:
            reaches = sorted(max(box[2] / x, box[3] / y) for box, (x, y) in placed)
            fill = reaches[min(len(reaches) - 1, int(0.95 * len(reaches)))]
            inside = sum(not _leaves(box, extent) for box, extent in placed)
            fits.append(FrameFit(frame, len(placed), inside / len(placed), fill))
    most = max((fit.boxes for fit in fits), default=0)
    return sorted(
        fits,
        key=lambda f: (f.boxes < most, f.inside < _MOST, -f.fill if f.inside >= _MOST else f.fill),
    )


def is_outside(observation: Observation) -> bool:
    """Whether a box leaves the frame that was declared for it, as far as that is known."""
    box, frame = observation.box, observation.frame
    if observation.failure == "out_of_frame" or box is None or frame is None:
        return observation.failure == "out_of_frame"
    return _leaves(box, frame.extent(observation.image_size, observation.input_size))


def _leaves(box: Corners, extent: tuple[float, float] | None) -> bool:
    """Whether a box leaves an extent; of an unknown one only the origin is known."""
    outside = min(box[:2]) < 0
    return outside or (extent is not None and (box[2] > extent[0] or box[3] > extent[1]))
