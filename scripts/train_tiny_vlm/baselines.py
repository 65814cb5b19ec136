"""What a model gains that never looks at the picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import cast

from vlreward.geometry import Box
from vlreward.metrics.boxes import box_iou
from vlreward.scenes.scene import Gold, scenes
from vlreward.scenes.seeds import Split, TaskName

__all__ = ["Baseline", "baselines"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A blind answer and how often it is right."""

    name: str
    """What the answer is, e.g. `constant 1`, `centre box`."""
    accuracy: float
    """Share of right answers, 0 to 1; for boxes the share with IoU > 0.5."""
    n: int
    """Number of scenes."""


def baselines(
    task: TaskName, split: Split | str = "test", n: int = 300, *, start: int = 0
) -> list[Baseline]:
    """Score the blind answers to the same scenes that `scenes(task, split, n)` gives.

    `best constant` is chosen with the golds of those very scenes, so it is an upper bound of what
    a constant answer can reach. The boxes are relative to each image's size: `mean box` is the
    mean of the golds, `centre box` covers the middle half of each side, `random object` is a
    perfect box around an object chosen without the description.

    Raises:
        ValueError: If `n` is not positive.
    """
    if n < 1:
        raise ValueError(f"expected n of at least 1, got {n!r}")
    items = list(islice(scenes(task, split, n, start=start), n))
    if task != "rec":
        answer, hits = Counter(scene.gold for scene in items).most_common(1)[0]
        return [Baseline(f"best constant: {answer}", hits / n, n)]

    golds = [_box(scene.gold) for scene in items]
    shares = [
        (b[0] / s.width, b[1] / s.height, b[2] / s.width, b[3] / s.height)
        for b, s in zip(golds, items)
    ]
    mean = tuple(sum(column) / n for column in zip(*shares))
    found = []
    for name, box in (("mean box", mean), ("centre box", (0.25, 0.25, 0.75, 0.75))):
        guesses = [
            Box(box[0] * s.width, box[1] * s.height, box[2] * s.width, box[3] * s.height)
            for s in items
        ]
        hits = sum(box_iou(guess, Box(*gold)) > 0.5 for guess, gold in zip(guesses, golds))
        found.append(Baseline(name, hits / n, n))
    lucky = sum(1 / len(scene.objects) for scene in items)
    return [*found, Baseline("random object", lucky / n, n)]


def _box(gold: Gold) -> tuple[int, int, int, int]:
    return cast("tuple[int, int, int, int]", gold)
