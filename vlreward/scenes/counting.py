"""Questions of how many objects of a kind there are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from vlreward.scenes.referring import in_order
from vlreward.scenes.seeds import Level
from vlreward.scenes.shapes import COLOURS, SHAPES, Kind, SceneObject

__all__ = ["Count", "ask_count"]

_GRAINS: dict[Level, tuple[Kind, ...]] = {
    "easy": (Kind(shape="*"), Kind(colour="*"), Kind(colour="*", shape="*")),
    "medium": (Kind(shape="*"), Kind(colour="*"), Kind(colour="*", shape="*")),
    "hard": (
        Kind(shape="*"),
        Kind(colour="*"),
        Kind(colour="*", shape="*"),
        Kind(size="*", shape="*"),
        Kind(size="*", colour="*"),
    ),
}


@dataclass(frozen=True, slots=True)
class Count:
    """A kind and the objects of it."""

    kind: Kind
    """What is counted."""
    items: tuple[SceneObject, ...]
    """The objects of that kind, from left to right."""


def ask_count(rng: random.Random, objects: Sequence[SceneObject], level: Level) -> Count:
    """Choose what to count.

    The answer is drawn first, from the counts that the picture offers, zero included and larger
    ones preferred, and then a kind with that count: a constant guess gains little.
    """
    sizes, colours, shapes = ("small", "large"), tuple(COLOURS), SHAPES
    grain = rng.choice(_GRAINS[level])
    kinds = [
        Kind(size, colour, shape)
        for size in (sizes if grain.size else (None,))
        for colour in (colours if grain.colour else (None,))
        for shape in (shapes if grain.shape else (None,))
    ]
    by_count: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_count.setdefault(sum(map(kind.matches, objects)), []).append(kind)
    offered = [count for count in sorted(by_count) for _ in range(1 + 2 * count)]
    kind = rng.choice(by_count[rng.choice(offered)])
    return Count(kind, tuple(in_order([o for o in objects if kind.matches(o)], "left")))
