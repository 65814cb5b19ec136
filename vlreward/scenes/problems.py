"""What can be asked about a figure, and the exact answer as LaTeX with its unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from vlreward.scenes.figures import Figure
from vlreward.scenes.seeds import Level

__all__ = ["Problem", "problems"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One question about a figure."""

    quantity: str
    """What is asked: `area`, `perimeter`, `angle`, or a length such as `diagonal`."""
    question: str
    """The question, unit of the labels included."""
    answer: str
    """Exact answer with unit, e.g. `\\frac{15}{2} cm^2`, `3\\sqrt{2} m`, `40°`."""
    steps: str
    """The reading of the labels and the arithmetic, for a worked answer."""


def surd(numerator: int, denominator: int, radicand: int) -> str:
    """LaTeX of (numerator / denominator) * sqrt(radicand) in lowest terms.

    Example:
        >>> surd(1, 1, 12), surd(9, 4, 3), surd(2, 4, 4), surd(6, 4, 1)
        ('2\\\\sqrt{3}', '\\\\frac{9\\\\sqrt{3}}{4}', '1', '\\\\frac{3}{2}')
    """
    outside = max(k for k in range(1, math.isqrt(radicand) + 1) if radicand % (k * k) == 0)
    numerator, radicand = numerator * outside, radicand // (outside * outside)
    common = math.gcd(numerator, denominator)
    numerator, denominator = numerator // common, denominator // common
    root = f"\\sqrt{{{radicand}}}" if radicand > 1 else ""
    top = root if root and numerator == 1 else f"{numerator}{root}"
    return top if denominator == 1 else f"\\frac{{{top}}}{{{denominator}}}"


def problems(figure: Figure, level: Level, unit: str) -> list[Problem]:
    """All that a level asks about a figure.

    Args:
        figure: The drawing.
        level: Difficulty; a rectangle's area is easy, its diagonal hard.
        unit: `cm` or `m`.
    """
    ask: Callable[[str, tuple[int, ...]], list[tuple[str, str, str, str]]]
    ask = {"easy": _easy, "medium": _medium, "hard": _hard}[level]
    found = []
    for quantity, of, answer, steps in ask(figure.shape, figure.values):
        if quantity == "angle":
            found.append(Problem(quantity, f"How large is the angle {of}?", f"{answer}°", steps))
            continue
        question = f"Lengths are in {unit}. What is the {quantity} of the {of}?"
        power = "^2" if quantity == "area" else ""
        found.append(Problem(quantity, question, f"{answer} {unit}{power}", steps))
    return found


_Row = tuple[str, str, str, str]


def _easy(shape: str, v: tuple[int, ...]) -> list[_Row]:
    if shape == "triangle_angles":
        a, b = v
        steps = f"{a}+{b}={a + b}; 180-{a + b}={180 - a - b}"
        return [("angle", "at the top", str(180 - a - b), steps)]
    a, b = v if shape == "rectangle" else (v[0], v[0])
    return [
        ("area", shape, str(a * b), f"{a}*{b}={a * b}"),
        ("perimeter", shape, str(2 * (a + b)), f"{a}+{b}={a + b}; 2*{a + b}={2 * (a + b)}"),
    ]


def _medium(shape: str, v: tuple[int, ...]) -> list[_Row]:
    a = v[0]
    if shape == "right_triangle":
        product = a * v[1]
        return [("area", "triangle", surd(product, 2, 1), f"{a}*{v[1]}={product}; {product}/2")]
    if shape == "square":
        return [("diagonal", "square", surd(a, 1, 2), f"side {a}")]
    if shape == "circle":
        return [
            ("area", "circle", f"{a * a}\\pi", f"{a}*{a}={a * a}"),
            ("circumference", "circle", f"{2 * a}\\pi", f"2*{a}={2 * a}"),
        ]
    if shape == "isosceles":
        steps = f"180-{a}={180 - a}; {180 - a}/2={(180 - a) // 2}"
        return [("angle", "on the left", str((180 - a) // 2), steps)]
    if shape == "parallelogram":
        return [("area", "parallelogram", str(a * v[1]), f"{a}*{v[1]}={a * v[1]}")]
    if shape == "parallelogram_angle":
        return [("angle", "on the right", str(180 - a), f"180-{a}={180 - a}")]
    return [("perimeter", "equilateral triangle", str(3 * a), f"3*{a}={3 * a}")]


def _hard(shape: str, v: tuple[int, ...]) -> list[_Row]:
    a = v[0]
    if shape == "equilateral":
        square = a * a
        return [
            ("height", "equilateral triangle", surd(a, 2, 3), f"side {a}; {a}/2"),
            ("area", "equilateral triangle", surd(square, 4, 3), f"{a}*{a}={square}; {square}/4"),
        ]
    if shape == "trapezoid":
        total, height = a + v[1], v[2]
        product = total * height
        steps = f"{a}+{v[1]}={total}; {total}*{height}={product}; {product}/2"
        return [("area", "trapezoid", surd(product, 2, 1), steps)]
    b = v[1]
    total = a * a + b * b
    steps = f"{a}*{a}={a * a}; {b}*{b}={b * b}; {a * a}+{b * b}={total}"
    if shape == "right_triangle":
        return [("hypotenuse", "triangle", surd(1, 1, total), steps)]
    return [("diagonal", "rectangle", surd(1, 1, total), steps)]
