"""Descriptions that single out one object, and kinds of which there are so many."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vlreward.scenes.seeds import Level
from vlreward.scenes.shapes import COLOURS, SHAPES, Kind, SceneObject

__all__ = ["Count", "Reference", "ask_count", "refer"]

_FIRST = {
    "left": "leftmost",
    "right": "rightmost",
    "top": "topmost",
    "bottom": "bottommost",
}
_ORDINALS = ("first", "second", "third")
_CLEAR = 5
_TRIES = 30

# Which words tell objects apart.
_SHAPE, _COLOUR, _LOOK = Kind(shape="*"), Kind(colour="*"), Kind(colour="*", shape="*")
_SIZED = Kind(size="*", shape="*")
_GRAINS: dict[Level, tuple[Kind, ...]] = {
    "easy": (_LOOK,),
    "medium": (_LOOK, Kind("*", "*", "*"), _SHAPE),
    "hard": (_LOOK, _SHAPE, _COLOUR, _SIZED),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A description that one object of a scene satisfies."""

    kind: Kind
    """Attributes that are named."""
    target: SceneObject
    """The object that is meant."""
    candidates: tuple[SceneObject, ...]
    """All objects of the kind, in the order of `side`."""
    side: str | None = None
    """Side that the candidates are counted from; None if there is only one."""

    @property
    def expression(self) -> str:
        """E.g. `the red circle`, `the leftmost cross`, `the second square from the top`."""
        if self.side is None:
            return f"the {self.kind.singular}"
        rank = self.candidates.index(self.target)
        if rank == 0:
            return f"the {_FIRST[self.side]} {self.kind.singular}"
        return f"the {_ORDINALS[rank]} {self.kind.singular} from the {self.side}"


def in_order(items: Sequence[SceneObject], side: str) -> list[SceneObject]:
    """Objects by their centres, counted from a side of the image."""
    axis = 0 if side in ("left", "right") else 1
    return sorted(
        items,
        key=lambda o: (o.centre[axis], o.centre[1 - axis]),
        reverse=side in ("right", "bottom"),
    )


def refer(rng: random.Random, objects: Sequence[SceneObject], level: Level) -> Reference | None:
    """Describe one of the objects.

    Easy descriptions name colour and shape of a unique object; medium ones add the size or pick
    the outermost of two or three; hard ones count up to the third of two to four.

    Returns:
        The description, or None if none was found that is clear by at least five pixels.
    """
    for _ in range(_TRIES):
        target = rng.choice(objects)
        kind = rng.choice(_GRAINS[level]).of(target)
        candidates = [o for o in objects if kind.matches(o)]
        if len(candidates) == 1:
            if level != "hard" or rng.randrange(4) == 0:
                return Reference(kind, target, (target,))
            continue
        if level == "easy" or len(candidates) > (3 if level == "medium" else 4):
            continue
        side = rng.choice(tuple(_FIRST))
        ordered = in_order(candidates, side)
        rank = ordered.index(target)
        if rank > (0 if level == "medium" else 2):
            continue
        axis = 0 if side in ("left", "right") else 1
        places = [o.centre[axis] for o in ordered[: rank + 2]]
        if all(abs(a - b) >= _CLEAR for a, b in pairwise(places)):
            return Reference(kind, target, tuple(ordered), side)
    return None


_COUNTED: dict[Level, tuple[Kind, ...]] = {
    "easy": (_SHAPE, _COLOUR, _LOOK),
    "medium": (_SHAPE, _COLOUR, _LOOK),
    "hard": (_SHAPE, _COLOUR, _LOOK, _SIZED, Kind(size="*", colour="*")),
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
    grain = rng.choice(_COUNTED[level])
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
