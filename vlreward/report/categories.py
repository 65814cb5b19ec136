"""What the data say of samples beside question and gold, as far as it puts them into groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vlreward.bench.run_files import SampleRow
from vlreward.report.text import shown

__all__ = ["categories", "category_keys", "shared_ends"]

_MOST_KEYS = 8
_MOST_VALUES = 40
_LONGEST = 80
_DEPTH = 2
_SHORTEST = 12


def categories(row: SampleRow) -> dict[str, str]:
    """The metadata that could name a group: texts, truth values and whole numbers, by name.

    Objects inside count with their name before a dot, e.g. `metadata.subject`.
    """
    return dict(_flat(row.metadata, "", _DEPTH))


def _flat(values: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and depth > 1:
            yield from _flat(value, f"{name}.", depth - 1)
        elif isinstance(value, (str, bool, int)) and len(text := shown(value)) <= _LONGEST:
            yield name, text


def category_keys(rows: Sequence[SampleRow]) -> list[str]:
    """The names under which samples fall into groups: at most eight, as the data order them.

    A name is one if most rows have it, with at least two values and at most forty, and with more
    rows than values by half.
    """
    values: dict[str, Counter[str]] = {}
    for row in rows:
        for key, value in categories(row).items():
            values.setdefault(key, Counter())[value] += 1
    found = [
        key
        for key, counts in values.items()
        if 2 <= len(counts) <= _MOST_VALUES
        and counts.total() >= max(len(rows), 3 * len(counts)) / 2
    ]
    return found[:_MOST_KEYS]


def shared_ends(texts: Sequence[str]) -> tuple[int, int] | None:
    """How many characters all texts begin with, and end with, in whole words: a prompt around them.

    0 where that is short; None where all texts are the same.

    Example:
        >>> shared_ends(["Where is the region: a cat.", "Where is the region: a dog."])
        (23, 0)
    """
    different = set(texts)
    if len(different) < 2:
        return None
    start = _common(different)
    start = start[: start.rfind(" ") + 1]
    end = _common([text[len(start) :][::-1] for text in different])
    end = end[: end.rfind(" ") + 1]
    before, after = (n if n >= _SHORTEST else 0 for n in (len(start), len(end)))
    return before, after


def _common(texts: Collection[str]) -> str:
    low, high = min(texts), max(texts)
    same = next((i for i, (a, b) in enumerate(zip(low, high)) if a != b), min(len(low), len(high)))
    return low[:same]
