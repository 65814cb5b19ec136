"""Drawing in integer arithmetic, so that every platform makes the same bytes.

Edges are hard: no anti-aliasing, no fonts, no floating point. Pillow only wraps the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vlreward.geometry import Size
from vlreward.scenes.figures import Figure
from vlreward.scenes.shapes import SceneObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["paint_figure", "paint_objects"]

_ROWS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71317", "4": "55711", "5": "74717",
    "6": "74757", "7": "71122", "8": "75757", "9": "75717", "?": "71202", "°": "25200",
}  # fmt: skip
GLYPH_WIDTH, GLYPH_HEIGHT, _SCALE = 3, 5, 2


@lru_cache(maxsize=32)
def _background(size: Size) -> NDArray[np.uint8]:
    """A light ground that reddens to the right and turns bluer downwards.

    The shade tells a small model where in the image it looks; real photographs are full of such
    cues.
    """
    import numpy as np

    ground = np.empty((size.height, size.width, 3), np.uint8)
    ground[..., 0] = 200 + 55 * np.arange(size.width) // size.width
    ground[..., 1] = 232
    ground[..., 2] = (200 + 55 * np.arange(size.height) // size.height)[:, None]
    ground.setflags(write=False)
    return ground


@lru_cache(maxsize=256)
def _mask(shape: str, side: int) -> NDArray[np.bool_]:
    import numpy as np

    # Pixel centres, doubled and measured from the middle: odd steps, all whole numbers.
    middle = 2 * np.arange(side) + 1 - side
    x, y = middle[None, :], middle[:, None]
    if shape == "circle":
        return x * x + y * y <= side * side
    if shape == "triangle":
        return 2 * np.abs(x) <= y + side + 1
    if shape == "cross":
        arm = (side + 1) // 3
        return (np.abs(x) < arm) | (np.abs(y) < arm)
    return np.ones((side, side), bool)


def paint_objects(objects: Iterable[SceneObject], size: Size) -> NDArray[np.uint8]:
    """Draw shapes.

    Returns:
        RGB of shape (height, width, 3).
    """
    image = _background(size).copy()
    for o in objects:
        image[o.y : o.y + o.side, o.x : o.x + o.side][_mask(o.shape, o.side)] = o.rgb
    return image


def paint_figure(figure: Figure) -> NDArray[np.uint8]:
    """Draw the lines, circles and labels of a figure.

    Returns:
        RGB of shape (height, width, 3).
    """
    image = _background(figure.size).copy()
    for line in figure.lines:
        _stroke(image, line, figure.ink)
    for circle in figure.circles:
        _ring(image, circle, figure.ink)
    for text, x, y in figure.labels:
        _write(image, text, x, y)
    return image


def _stroke(image: Any, line: tuple[int, int, int, int], ink: tuple[int, int, int]) -> None:
    import numpy as np

    x1, y1, x2, y2 = line
    top, bottom = max(0, min(y1, y2) - 1), max(y1, y2) + 2
    left, right = max(0, min(x1, x2) - 1), max(x1, x2) + 2
    region = image[top:bottom, left:right]
    y = np.arange(top, top + region.shape[0])[:, None]
    x = np.arange(left, left + region.shape[1])[None, :]
    dx, dy = x2 - x1, y2 - y1
    cross = dx * (y - y1) - dy * (x - x1)
    # Distance to the line is |cross| / length; at most 1 makes a stroke of two to three pixels.
    region[cross * cross <= dx * dx + dy * dy] = ink


def _ring(image: Any, circle: tuple[int, int, int], ink: tuple[int, int, int]) -> None:
    import numpy as np

    cx, cy, radius = circle
    y = np.arange(image.shape[0])[:, None] - cy
    x = np.arange(image.shape[1])[None, :] - cx
    square = x * x + y * y
    image[((radius - 1) ** 2 <= square) & (square <= (radius + 1) ** 2)] = ink


@lru_cache(maxsize=1024)
def _text_mask(text: str) -> NDArray[np.bool_]:
    import numpy as np

    width = len(text) * (GLYPH_WIDTH + 1) - 1
    bits = np.zeros((GLYPH_HEIGHT, width), bool)
    for i, char in enumerate(text):
        for row, digit in enumerate(_ROWS[char]):
            for column in range(GLYPH_WIDTH):
                bits[row, i * (GLYPH_WIDTH + 1) + column] = int(digit) >> (2 - column) & 1
    return np.kron(bits, np.ones((_SCALE, _SCALE), bool))


def _write(image: Any, text: str, x: int, y: int) -> None:
    """Write with (x, y) the middle of the text, pushed inside the image where needed."""
    bits = _text_mask(text)
    height, width = bits.shape
    left = max(1, min(image.shape[1] - width - 1, x - width // 2))
    top = max(1, min(image.shape[0] - height - 1, y - height // 2))
    image[top : top + height, left : left + width][bits] = (20, 20, 20)
