"""What a row's gold and answer look like: shapes on the image, and texts. The row's task says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vlreward.bench.run_files import SampleRow
from vlreward.frames import Frame
from vlreward.report.text import shown
from vlreward.task import Shape, TaskSpec
from vlreward.tasks import TASKS
from vlreward.types import Sample

__all__ = ["answer_shapes", "area", "gold_shapes", "gold_text", "known_sample", "known_task"]

_MOST = 500
_SIZES = {"box": 4, "point": 2, "circle": 3}


def known_task(name: str) -> TaskSpec | None:
    """The task of this name, None if it is not installed here: a run is shown all the same."""
    return TASKS.get(name) if name in TASKS else None


def known_sample(row: SampleRow) -> Sample | None:
    """The sample of a row, None where its task is not installed here.

    Raises:
        ValueError: If the gold is not what its task needs.
    """
    return None if known_task(row.task) is None else row.sample


def gold_shapes(row: SampleRow) -> list[Shape]:
    """What to draw for the gold of a row, in pixels of the original image.

    Raises:
        ValueError: As `known_sample`.
    """
    sample = known_sample(row)
    return [] if sample is None else _shapes(row.task, sample.target)


def answer_shapes(row: SampleRow) -> list[Shape]:
    """What to draw for the answer of a row, in pixels of the original image.

    Raises:
        ValueError: If the answer is not what its task draws.
    """
    # Files of earlier versions have failed answers as they were written.
    in_image = row.frame in (None, Frame.ORIGINAL_PX.value) and row.axis_order != "yx"
    if row.answer is None or (row.failure is not None and not in_image):
        return []
    return _shapes(row.task, row.answer)


def _shapes(task: str, value: Any) -> list[Shape]:
    spec = known_task(task)
    if spec is None or spec.shapes is None:
        return []
    try:
        found: Sequence[Shape] = spec.shapes(value)
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"expected what {task!r} draws, got {value!r:.80}: {error}") from None
    for shape in found:
        numbers = len(shape.numbers)
        if numbers != _SIZES.get(shape.kind, max(6, numbers - numbers % 2)):
            raise ValueError(f"expected a {shape.kind}, got {numbers} numbers from {value!r:.80}")
    return list(found[:_MOST])


def gold_text(row: SampleRow) -> str:
    """The gold for a person."""
    sample = known_sample(row)
    if sample is not None:
        return shown(sample.gold.text())
    rest: Any = {key: value for key, value in row.gold.items() if key != "task"}
    return shown(next(iter(rest.values())) if len(rest) == 1 else rest)


def area(shape: Shape) -> float:
    """Area of a shape in square pixels; 0 for a point."""
    n = shape.numbers
    if shape.kind == "box":
        return (n[2] - n[0]) * (n[3] - n[1])
    if shape.kind == "circle":
        return math.pi * n[2] ** 2
    corners = list(zip(n[::2], n[1::2]))
    turned = zip(corners, corners[1:] + corners[:1])
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2
