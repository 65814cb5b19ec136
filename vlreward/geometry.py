"""Validated, frozen shapes: `Size`, `Box`; `Polygon` from `vlreward.metrics.polygons` too.

Coordinates: x grows to the right, y downward, both continuous (the pixel in the corner covers
[0, 1] x [0, 1]); a box is (x1, y1, x2, y2) and its width is x2 - x1, without the +-1 of integer
pixel arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vlreward._lazy import lazy_names
from vlreward._text import short

if TYPE_CHECKING:
    from vlreward.metrics.polygons import Polygon

__all__ = ["LEAST_SIDE", "MOST", "Box", "Polygon", "Size"]

MOST = 1e12
"""Largest coordinate, in whatever unit: with `LEAST_SIDE`, no product of four lengths leaves the
range of a double, so that metrics need no care."""
LEAST_SIDE = 1e-12
"""Smallest side of a box."""
_NUMBERS = frozenset((int, float))


class Size(NamedTuple):
    """(width, height) in pixels, both positive whole numbers. Note the order: width first."""

    width: int
    height: int

    @classmethod
    def from_sequence(cls, value: Sequence[Any]) -> Size:
        """Check and build a size.

        Args:
            value: Two positive whole numbers, width first, an array of them too; integral floats
                are accepted.

        Raises:
            ValueError: If there are not two of them or one is not a positive whole number.
        """
        value = value.tolist() if hasattr(value, "tolist") else value
        if len(value) != 2 or not all(_is_positive_whole(v) for v in value):
            raise ValueError(
                f"expected (width, height) as two positive whole numbers, got {short(value)}"
            )
        return cls(int(value[0]), int(value[1]))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Fields of this type take sizes and lists of two numbers."""
        return _field_of(cls)


def _field_of(kind: type[Size] | type[Box]) -> Any:
    from pydantic_core import core_schema

    def read(value: Any) -> Size | Box:
        if type(value) is kind:
            return value
        if isinstance(value, (list, tuple)):
            return kind.from_sequence(value)
        raise ValueError(f"expected a list of numbers, got {value!r:.80}")

    write = core_schema.plain_serializer_function_ser_schema(list)
    return core_schema.no_info_plain_validator_function(read, serialization=write)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_positive_whole(value: Any) -> bool:
    return _is_number(value) and 0 < value <= MOST and value == int(value)


class _Corners(NamedTuple):
    x1: float
    """Left edge."""
    y1: float
    """Top edge."""
    x2: float
    """Right edge."""
    y2: float
    """Bottom edge."""


class Box(_Corners):
    """An axis-aligned box (x1, y1, x2, y2) with positive area: x1 < x2 and y1 < y2.

    Corners lie within +-`MOST`, sides are at least `LEAST_SIDE` long. A tuple of its corners,
    because scoring builds one for each completion.

    Example:
        >>> Box(10, 20, 110, 70).area
        5000
        >>> Box(10, 20, 10, 70)
        Traceback (most recent call last):
        ...
        ValueError: expected finite x1 < x2 and y1 < y2 (sides from 1e-12, corners within 1e+12 of \
0), got (10, 20, 10, 70)
    """

    __slots__ = ()

    axes: ClassVar[str] = "written"
    """Whether the order of its numbers is as `written`, or the text tells more or less of it: see
    `vlreward.frames.x_first`."""

    def __new__(cls, x1: float, y1: float, x2: float, y2: float) -> Box:
        # NaN compares false.
        within = x1 >= -MOST and x2 <= MOST and y1 >= -MOST and y2 <= MOST
        if within and x2 - x1 >= LEAST_SIDE and y2 - y1 >= LEAST_SIDE:
            return tuple.__new__(cls, (x1, y1, x2, y2))
        raise ValueError(
            f"expected finite x1 < x2 and y1 < y2 (sides from {LEAST_SIDE:g}, corners within "
            f"{MOST:g} of 0), got ({x1!r}, {y1!r}, {x2!r}, {y2!r})"
        )

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Box:  # type: ignore[override]
        return cls(*iterable)

    @classmethod
    def from_sequence(cls, value: Sequence[Any]) -> Box:
        """Check and build a box from four numbers, (x1, y1, x2, y2).

        Raises:
            ValueError: If there are not four numbers, or they are no box.
        """
        if len(value) != 4 or not (
            _NUMBERS.issuperset(map(type, value)) or all(map(_is_number, value))
        ):
            raise ValueError(f"expected four numbers (x1, y1, x2, y2), got {short(value)}")
        return cls(*value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Fields of this type take boxes and lists of four numbers."""
        return _field_of(cls)

    @property
    def width(self) -> float:
        """x2 - x1."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """y2 - y1."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def clipped(self, width: float, height: float) -> Box | None:
        """The part inside [0, width] x [0, height], or None if no box is left."""
        x1, y1 = max(self.x1, 0.0), max(self.y1, 0.0)
        x2, y2 = min(self.x2, width), min(self.y2, height)
        return Box(x1, y1, x2, y2) if min(x2 - x1, y2 - y1) >= LEAST_SIDE else None


# Its home is where it is used, with what shapely knows about it.
__getattr__ = lazy_names(__name__, {"vlreward.metrics.polygons": "Polygon"})[1]
