"""Drawn figures: lines, circles and the labels that carry the numbers."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from vlreward.geometry import Size
from vlreward.scenes.seeds import Level

__all__ = ["Figure", "draw_figure"]

_INKS = ((30, 60, 160), (150, 40, 40), (30, 110, 60), (90, 40, 130), (60, 60, 60))
_MARGIN_X, _MARGIN_Y = 25, 15

_SHAPES: dict[Level, tuple[str, ...]] = {
    "easy": ("rectangle", "square", "triangle_angles"),
    "medium": (
        "right_triangle",
        "square",
        "circle",
        "isosceles",
        "parallelogram",
        "parallelogram_angle",
        "equilateral",
    ),
    "hard": ("right_triangle", "rectangle", "equilateral", "trapezoid"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A labelled drawing."""

    shape: str
    """What it shows, e.g. `right_triangle`."""
    values: tuple[int, ...]
    """The labelled numbers, in the order in which `problems` names them."""
    size: Size
    """(width, height) of the image in pixels."""
    ink: tuple[int, int, int]
    """RGB of the lines."""
    lines: tuple[tuple[int, int, int, int], ...] = ()
    """Strokes (x1, y1, x2, y2)."""
    circles: tuple[tuple[int, int, int], ...] = ()
    """Circle lines (x, y, radius)."""
    labels: tuple[tuple[str, int, int], ...] = ()
    """Texts with the middle (x, y) of each."""


def draw_figure(rng: random.Random, level: Level, size: Size) -> Figure:
    """Choose a figure, its numbers and its place; sides are drawn roughly to scale.

    Args:
        rng: Source of all choices.
        level: Difficulty.
        size: (width, height) of the image in pixels.
    """
    shape = rng.choice(_SHAPES[level])
    ink = rng.choice(_INKS)
    return _Pen(rng, shape, size, ink).draw()


class _Pen:
    def __init__(
        self, rng: random.Random, shape: str, size: Size, ink: tuple[int, int, int]
    ) -> None:
        self.rng, self.shape, self.size, self.ink = rng, shape, size, ink
        self.room_x, self.room_y = size.width - 2 * _MARGIN_X, size.height - 2 * _MARGIN_Y

    def draw(self) -> Figure:
        figure: Figure = getattr(self, f"_{self.shape}")()
        return figure

    def _fit(self, wide: float, high: float) -> tuple[int, int, int, int]:
        """Place a box of about the given proportions: (left, top, right, bottom)."""
        ratio = max(0.5, min(2.0, wide / high))
        scale = self.rng.randint(80, 100) / 100
        width = int(min(self.room_x, self.room_y * ratio) * scale)
        height = int(min(self.room_y, self.room_x / ratio) * scale)
        left = _MARGIN_X + self.rng.randint(0, self.room_x - width)
        top = _MARGIN_Y + self.rng.randint(0, self.room_y - height)
        return left, top, left + width, top + height

    def _figure(
        self,
        values: tuple[int, ...],
        corners: list[tuple[int, int]],
        labels: list[tuple[str, int, int]],
        extra: tuple[tuple[int, int, int, int], ...] = (),
    ) -> Figure:
        ring = zip(corners, corners[1:] + corners[:1])
        lines = tuple((*a, *b) for a, b in ring)
        return Figure(self.shape, values, self.size, self.ink, lines + extra, labels=tuple(labels))

    def _rectangle(self) -> Figure:
        a, b = self.rng.randint(2, 12), self.rng.randint(2, 12)
        left, top, right, bottom = self._fit(a, b)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        below, beside = self.rng.randrange(2), self.rng.randrange(2)
        labels = [
            (str(a), (left + right) // 2, bottom + 8 if below else top - 8),
            (str(b), right + 11 if beside else left - 11, (top + bottom) // 2),
        ]
        return self._figure((a, b), corners, labels)

    def _square(self) -> Figure:
        a = self.rng.randint(2, 12)
        left, top, right, bottom = self._fit(1, 1)
        right = left + min(right - left, bottom - top)
        bottom = top + right - left
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        below = self.rng.randrange(2)
        labels = [(str(a), (left + right) // 2, bottom + 8 if below else top - 8)]
        return self._figure((a,), corners, labels)

    def _right_triangle(self) -> Figure:
        a, b = self.rng.randint(2, 10), self.rng.randint(2, 10)
        left, top, right, bottom = self._fit(a, b)
        mirrored = self.rng.randrange(2)
        foot, far = (right, left) if mirrored else (left, right)
        tick = -6 if mirrored else 6
        mark = (
            (foot + tick, bottom, foot + tick, bottom - 6),
            (foot, bottom - 6, foot + tick, bottom - 6),
        )
        labels = [
            (str(a), (left + right) // 2, bottom + 8),
            (str(b), foot + (11 if mirrored else -11), (top + bottom) // 2),
        ]
        return self._figure((a, b), [(foot, top), (foot, bottom), (far, bottom)], labels, mark)

    def _equilateral(self) -> Figure:
        a = self.rng.randint(2, 12)
        left, top, right, bottom = self._fit(2, math.sqrt(3))
        middle = (left + right) // 2
        labels = [(str(a), middle, bottom + 8)]
        if self.rng.randrange(2):
            labels = [(str(a), (left + middle) // 2 - 11, (top + bottom) // 2)]
        return self._figure((a,), [(middle, top), (left, bottom), (right, bottom)], labels)

    def _triangle_angles(self) -> Figure:
        a = 5 * self.rng.randint(7, 22)
        b = 5 * self.rng.randint(7, (145 - a) // 5)
        left, top, right, bottom = self._fit(*_proportions(a, b))
        apex = left + round((right - left) * _foot(a, b))
        labels = [
            (f"{a}°", left - 8, bottom + 8),
            (f"{b}°", right + 8, bottom + 8),
            ("?", apex, top - 8),
        ]
        return self._figure((a, b), [(apex, top), (left, bottom), (right, bottom)], labels)

    def _isosceles(self) -> Figure:
        a = 10 * self.rng.randint(2, 12)
        base = (180 - a) // 2
        left, top, right, bottom = self._fit(*_proportions(base, base))
        apex = (left + right) // 2
        labels = [(f"{a}°", apex, top - 8), ("?", left - 8, bottom + 8)]
        return self._figure((a,), [(apex, top), (left, bottom), (right, bottom)], labels)

    def _parallelogram(self) -> Figure:
        a, h = self.rng.randint(2, 12), self.rng.randint(2, 12)
        left, top, right, bottom = self._fit(5 * a // 4 + 1, h)
        lean = (right - left) // 4
        corners = [(left + lean, top), (right, top), (right - lean, bottom), (left, bottom)]
        labels = [
            (str(a), (left + right - lean) // 2, bottom + 8),
            (str(h), left + lean + 11, (top + bottom) // 2),
        ]
        height = ((left + lean, top, left + lean, bottom),)
        return self._figure((a, h), corners, labels, height)

    def _parallelogram_angle(self) -> Figure:
        a = 5 * self.rng.randint(8, 16)
        left, top, right, bottom = self._fit(3, 2)
        lean = min((right - left) // 2, round((bottom - top) / math.tan(math.radians(a))))
        corners = [(left + lean, top), (right, top), (right - lean, bottom), (left, bottom)]
        labels = [(f"{a}°", left, bottom + 8), ("?", right - lean, bottom + 8)]
        return self._figure((a,), corners, labels)

    def _trapezoid(self) -> Figure:
        a, b, h = self.rng.randint(2, 10), self.rng.randint(2, 10), self.rng.randint(2, 10)
        left, top, right, bottom = self._fit(max(a, b), h)
        full = right - left
        upper, lower = (max(14, full * v // max(a, b)) for v in (a, b))
        corners = [(left, top), (left + upper, top), (left + lower, bottom), (left, bottom)]
        labels = [
            (str(a), left + upper // 2, top - 8),
            (str(b), left + lower // 2, bottom + 8),
            (str(h), left - 11, (top + bottom) // 2),
        ]
        return self._figure((a, b, h), corners, labels)

    def _circle(self) -> Figure:
        r = self.rng.randint(2, 12)
        left, top, right, bottom = self._fit(1, 1)
        radius = min(right - left, bottom - top) // 2
        x, y = (left + right) // 2, (top + bottom) // 2
        spoke = ((x, y, x + radius, y),)
        labels = ((str(r), x + radius // 2, y - 8),)
        return Figure(self.shape, (r,), self.size, self.ink, spoke, ((x, y, radius),), labels)


def _foot(a: int, b: int) -> float:
    """Where the altitude meets the base, as a share of it, for base angles in degrees."""
    left, right = 1 / math.tan(math.radians(a)), 1 / math.tan(math.radians(b))
    return max(0.0, min(1.0, left / (left + right)))


def _proportions(a: int, b: int) -> tuple[float, float]:
    return 1 / math.tan(math.radians(a)) + 1 / math.tan(math.radians(b)), 1.0
