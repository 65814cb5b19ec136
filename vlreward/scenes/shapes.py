"""Coloured shapes on a plane: what they are, how they are named, and how they are laid out."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vlreward.geometry import Size
from vlreward.scenes.seeds import Level

__all__ = ["COLOURS", "SHAPES", "Kind", "SceneObject", "draw_objects"]

SHAPES = ("circle", "square", "triangle", "cross")
"""Names of the shapes."""
COLOURS = {
    "red": (214, 40, 40),
    "green": (44, 160, 44),
    "blue": (32, 90, 220),
    "yellow": (236, 200, 24),
    "purple": (140, 60, 180),
    "orange": (244, 130, 32),
}
"""RGB of each colour's centre; objects vary by up to 16 a channel around it."""

_NAMES = tuple(COLOURS)
_SIDES = {"small": (12, 16), "large": (22, 30)}
_JITTER = 16
_GAP = 2
_TRIES = 40


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One shape. Its bounding box is a square of whole pixels."""

    shape: str
    """One of `SHAPES`."""
    colour: str
    """One of `COLOURS`."""
    size: str
    """`small` (12 to 16 pixels) or `large` (22 to 30)."""
    x: int
    """Left edge in pixels."""
    y: int
    """Top edge in pixels."""
    side: int
    """Side of the bounding box in pixels."""
    rgb: tuple[int, int, int]
    """Fill colour."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Corners (x1, y1, x2, y2) in pixels of the original image, continuous convention."""
        return self.x, self.y, self.x + self.side, self.y + self.side

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the box."""
        return self.x + self.side / 2, self.y + self.side / 2


@dataclass(frozen=True, slots=True)
class Kind:
    """A description by attributes; None leaves one open."""

    size: str | None = None
    """`small`, `large` or None."""
    colour: str | None = None
    """One of `COLOURS` or None."""
    shape: str | None = None
    """One of `SHAPES` or None."""

    def matches(self, item: SceneObject) -> bool:
        """Whether an object has all the attributes."""
        return (
            self.size in (None, item.size)
            and self.colour in (None, item.colour)
            and self.shape in (None, item.shape)
        )

    @property
    def singular(self) -> str:
        """E.g. `small red circle`, `blue object`."""
        return " ".join(word for word in (self.size, self.colour, self.shape or "object") if word)

    @property
    def plural(self) -> str:
        """E.g. `small red circles`, `red crosses`, `blue objects`."""
        return self.singular + ("es" if self.shape == "cross" else "s")

    def of(self, item: SceneObject) -> Kind:
        """The same attributes, with the values of an object."""
        return Kind(
            item.size if self.size else None,
            item.colour if self.colour else None,
            item.shape if self.shape else None,
        )


_COUNTS: dict[Level, tuple[int, int]] = {"easy": (3, 5), "medium": (4, 7), "hard": (6, 9)}


def draw_objects(rng: random.Random, level: Level, size: Size) -> tuple[SceneObject, ...]:
    """Lay out shapes that do not touch.

    Easy scenes hold 3 to 5 shapes, medium ones 4 to 7 and hard ones 6 to 9. Most scenes use few
    colours and shapes, often with one frequent kind; a third of the easy ones are all different.

    Args:
        rng: Source of all choices.
        level: Difficulty.
        size: (width, height) of the image in pixels.
    """
    count = rng.randint(*_COUNTS[level])
    if level == "easy" and rng.randrange(3) == 0:
        looks = rng.sample([(c, s) for c in _NAMES for s in SHAPES], count)
    else:
        few = 3 if level == "hard" else 2
        colours, shapes = rng.sample(_NAMES, few), rng.sample(SHAPES, few)
        frequent = (rng.choice(colours), rng.choice(shapes))
        percent = rng.choice((0, 0, 40, 60, 80, 90))
        looks = [
            frequent if rng.randrange(100) < percent else (rng.choice(colours), rng.choice(shapes))
            for _ in range(count)
        ]
    placed: list[SceneObject] = []
    for colour, shape in looks:
        if (item := _place(rng, placed, colour, shape, size)) is not None:
            placed.append(item)
    return tuple(placed)


def _place(
    rng: random.Random, placed: list[SceneObject], colour: str, shape: str, size: Size
) -> SceneObject | None:
    wanted = "small" if rng.randrange(100) < 55 else "large"
    for name in (wanted, "small"):
        side = rng.randint(*_SIDES[name])
        for _ in range(_TRIES):
            # What `randint` does, without its checks: most of the time of a scene is spent here.
            x = 1 + rng.randrange(size.width - side - 1)
            y = 1 + rng.randrange(size.height - side - 1)
            for o in placed:
                if (
                    x + side + _GAP > o.x
                    and o.x + o.side + _GAP > x
                    and y + side + _GAP > o.y
                    and o.y + o.side + _GAP > y
                ):
                    break
            else:
                red, green, blue = (
                    max(0, min(255, c + rng.randint(-_JITTER, _JITTER))) for c in COLOURS[colour]
                )
                return SceneObject(shape, colour, name, x, y, side, (red, green, blue))
    return None
