"""Which coordinate frame predicted boxes fit: a diagnosis for a person, never used for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlreward.doctor.observations import Observation
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
        reaches = []
        inside = 0
        for observation in observations:
            extent = frame.extent(observation.image_size, observation.input_size)
            if observation.box is None or extent is None:
                continue
            x1, y1, x2, y2 = observation.box
            reaches.append(max(x2 / extent[0], y2 / extent[1]))
            inside += x1 >= 0 and y1 >= 0 and x2 <= extent[0] and y2 <= extent[1]
        if reaches:
            reaches.sort()
            fill = reaches[min(len(reaches) - 1, int(0.95 * len(reaches)))]
            fits.append(FrameFit(frame, len(reaches), inside / len(reaches), fill))
    most = max((fit.boxes for fit in fits), default=0)
    return sorted(
        fits,
        key=lambda f: (f.boxes < most, f.inside < _MOST, -f.fill if f.inside >= _MOST else f.fill),
    )


def is_outside(observation: Observation) -> bool:
    """Whether a box leaves the frame that was declared for it, as far as that is known."""
    if observation.failure == "out_of_frame":
        return True
    if observation.box is None or observation.frame is None:
        return False
    extent = observation.frame.extent(observation.image_size, observation.input_size)
    x1, y1, x2, y2 = observation.box
    if extent is None:
        return x1 < 0 or y1 < 0
    return x1 < 0 or y1 < 0 or x2 > extent[0] or y2 > extent[1]
