"""Values as unions of intervals."""

from __future__ import annotations

from vlreward.verify.exact.relations import before
from vlreward.verify.exact.values import (
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Symbolic,
    Union,
    Value,
)

__all__ = ["has_ranges", "intervals", "merged"]


def has_ranges(group: Group) -> bool:
    """Whether a list holds inequalities: ``x > 3 or x < -3`` is a region, not two values."""
    return bool(group.items) and all(
        isinstance(item, Named) and isinstance(item.value, Range) for item in group.items
    )


def intervals(value: Value) -> list[Range] | None:
    """The intervals that a value is the union of, or None."""
    if isinstance(value, Union):
        found = [
            piece
            for part in value.parts
            for piece in (_points(part) if _is_set(part) else [_as_range(part)])
        ]
    elif isinstance(value, Group) and has_ranges(value):
        found = [item.value for item in value.items if isinstance(item, Named)]  # type: ignore[misc]
        if len({item.name for item in value.items if isinstance(item, Named)}) > 1:
            return None
    else:
        found = [_as_range(value)]
    parts = [part for part in found if isinstance(part, Range)]
    return parts if len(parts) == len(found) else None


def _is_set(value: Value) -> bool:
    return isinstance(value, Group) and value.opening == "⦃"


def _points(value: Value) -> list[Range | None]:
    """The numbers of a set as intervals."""
    items = value.items if isinstance(value, Group) else ()
    return [
        Range(item, item, False, False) if isinstance(item, (Number, Symbolic)) else None
        for item in items
    ]


def merged(parts: list[Range]) -> list[Range]:
    """The same region in intervals that neither overlap nor touch, from left to right."""
    left = list(parts)
    found: list[Range] = []
    while left:
        part = left[0]
        for other in left[1:]:
            lower = before(other.low, part.low)
            if lower or (not before(part.low, other.low) and part.low_open > other.low_open):
                part = other
        left.remove(part)
        last = found[-1] if found else None
        if (
            last is None
            or before(last.high, part.low)
            or (not before(part.low, last.high) and last.high_open and part.low_open)
        ):
            found.append(part)
        elif before(last.high, part.high):
            found[-1] = Range(last.low, part.high, last.low_open, part.high_open)
        elif not before(part.high, last.high):
            both = last.high_open and part.high_open
            found[-1] = Range(last.low, last.high, last.low_open, both)
    return found


def _as_range(value: Value) -> Range | None:
    if isinstance(value, Range):
        return value
    if isinstance(value, Group) and value.opening in ("(", "[") and len(value.items) == 2:
        low, high = value.items
        ends = (Number, Symbolic, Infinity)
        if isinstance(low, ends) and isinstance(high, ends):
            return Range(low, high, value.opening == "(", value.closing == ")")
    return None
