"""`--where`: which rows of a file are read, by what stands in their columns."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.data.columns import at
from vlreward.errors import OptionError
from vlreward.golds import literal

__all__ = ["Where"]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_SIGN = re.compile("(<=|>=|!=|==|=|<|>)")


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions that all must hold, each a column, a comparison and a value."""

    conditions: tuple[tuple[str, str, Any], ...]
    """(column, comparison, value); a value is a number, a text, or what JSON makes of it."""

    @classmethod
    def parse(cls, conditions: str | Sequence[str]) -> Where:
        """Read conditions, e.g. `difficulty<0.8` or `level=easy`.

        Raises:
            OptionError: If one is none.

        Example:
            >>> Where.parse("extra_info.level >= 2").fits({"extra_info": {"level": 3}})
            True
        """
        listed = [conditions] if isinstance(conditions, str) else list(conditions)
        found = []
        for text in listed:
            parts = [part.strip() for part in _SIGN.split(text, maxsplit=1)]
            if len(parts) < 3 or not all(parts) or "!" in parts[0]:
                raise OptionError(
                    f"--where: expected COLUMN with one of < <= > >= = != and a value, got {text!r}"
                )
            column, sign, value = parts
            found.append((column, sign, literal(value)))
        return cls(tuple(found))

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is read: it has every column, with values that compare as they should.

        Raises:
            ValueError: If the row has no such column; names those that it has.
        """
        return all(_holds(at(row, column), sign, value) for column, sign, value in self.conditions)


def _holds(found: Any, sign: str, value: Any) -> bool:
    if sign in ("=", "==", "!="):
        equal = found == value or (isinstance(found, str) and found == str(value))
        return equal != (sign == "!=")
    number = literal(found)
    comparable = isinstance(number, (int, float)) and isinstance(value, (int, float))
    return comparable and _ORDER[sign](number, value)
