"""What a row's gold and answer look like: shapes on the image, and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from vlreward.bench.run_files import SampleRow
from vlreward.geometry import Box
from vlreward.report.text import shown
from vlreward.tasks import TASKS
from vlreward.types import Sample

__all__ = ["Shape", "answer_shapes", "gold_shapes", "gold_text", "known_sample"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Something to draw on an image."""

    kind: Literal["box", "point", "circle", "polygon"]
    """What `numbers` are: corners (x1, y1, x2, y2); x, y; x, y, radius; or x1, y1, x2, y2, ..."""
    numbers: tuple[float, ...]
    """Coordinates in pixels of the original image."""
    label: str = ""
    """Text beside it."""


def known_sample(row: SampleRow) -> Sample | None:
    """The sample of a row, None where its task is not installed here.

    Raises:
        ValueError: If the gold is not what its task needs.
    """
    return row.sample() if row.task in TASKS.names() else None


def gold_shapes(row: SampleRow) -> list[Shape]:
    """What to draw for the gold of a row.

    Raises:
        ValueError: As `known_sample`.
    """
    sample = known_sample(row)
    target = None if sample is None else sample.target
    return [Shape("box", tuple(target))] if isinstance(target, Box) else []


def answer_shapes(row: SampleRow) -> list[Shape]:
    """What to draw for the answer of a row.

    Raises:
        ValueError: If the answer is not what its task draws.
    """
    if row.answer is None or not gold_shapes(row):
        return []
    if not isinstance(row.answer, list):
        raise ValueError(f"expected answer=[x1, y1, x2, y2], got {row.answer!r:.80}")
    return [Shape("box", tuple(Box.from_sequence(row.answer)))]


def gold_text(row: SampleRow) -> str:
    """The gold for a person."""
    rest: Any = {key: value for key, value in row.gold.items() if key not in ("task", "frame")}
    return shown(next(iter(rest.values())) if len(rest) == 1 else rest)
