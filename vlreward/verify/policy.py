"""What counts as equal where mathematics alone does not say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Policy"]

_PERCENT = ("either", "fraction", "number")
_UNITS = ("match", "ignore")


@dataclass(frozen=True)
class Policy:
    r"""The choices a verdict depends on, beside the two texts.

    A policy is immutable and hashable; it is part of the key under which a verdict is cached.

    Attributes:
        decimals: How exactly a decimal must agree. When neither side has a decimal point the
            comparison is exact and this field plays no part. Otherwise two values ``g`` (gold) and
            ``a`` are equal when ``|g - a| <= 10**-decimals / 2 * min(1, 1000 * |g|)`` and
            ``|g - a| <= |g| / 20``: agreement to `decimals` places, as math-verify's
            ``float_rounding``, and never of numbers so small that the places would say nothing:
            ``2e-7`` is not ``10^{-7}``, nor 0.005 with two places 0.001. ``"gold"`` counts the
            places that the gold itself shows (``16386.17`` accepts ``16386.1673``) and falls back
            to six where the gold has no decimal point.
        percent: ``"either"`` takes ``50%`` for both 0.5 and 50, as math-verify does;
            ``"fraction"`` for 0.5 only; ``"number"`` for 50 only (the sign is then a unit). Two
            percentages always compare as numbers.
        units: ``"match"``: where both sides carry a unit they must have the same dimension, and
            the values are compared in the same unit (``5 cm`` is ``0.05 m`` and not ``5 m``); a
            unit that one side leaves out is not held against it. ``"ignore"``: units are dropped.
            A word of an answer that is neither on the list of units and counted nouns nor the
            gold's own is no unit: ``5 wrong`` is unparsable.
        unit_words: Further words that answers may count or measure in, in the singular or plural.
        ordered_tuples: Whether ``(1, 2)`` differs from ``(2, 1)``. A parenthesis is never a brace:
            ``(1, 2)`` differs from ``\{1, 2\}`` either way.
        ordered_sets: Whether ``\{1, 2\}`` and the bare list ``1, 2`` differ from ``2, 1``.
            Alternatives (``1 or 2``) are a set. A list of a gold's quantities (``x = 1, y = 2``)
            has their order either way, and ``y = 2, x = 1`` is the point ``(1, 2)``.
        choices: The letters that stand for the options of a multiple choice question, so that
            ``A``, ``(A)`` and ``A. 145°`` name the same option. A letter before a delimiter
            settles it whatever content follows, unless the gold has a content too and the two
            differ; an answer that names two letters or takes its letter back is unparsable.
            ``""`` turns this off: a capital is a symbol.
        deadline: Seconds that one comparison may spend in a worker process. The exact tier has
            caps in place of a clock.

    Raises:
        ValueError: A field is outside its range.

    Examples:
        >>> Policy(decimals=2) == Policy(decimals=2, units="match")
        True
        >>> Policy(units="exact")
        Traceback (most recent call last):
        ValueError: units must be one of 'match', 'ignore', got 'exact'
    """

    decimals: int | Literal["gold"] = 6
    percent: Literal["either", "fraction", "number"] = "either"
    units: Literal["match", "ignore"] = "match"
    unit_words: tuple[str, ...] = ()
    ordered_tuples: bool = True
    ordered_sets: bool = False
    choices: str = "ABCDEFGHIJ"
    deadline: float = 5.0

    def __post_init__(self) -> None:
        places = self.decimals
        if places != "gold" and (
            isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 15
        ):
            raise ValueError(
                f"decimals must be an integer between 0 and 15 or 'gold', got {places!r}"
            )
        for name, known in (("percent", _PERCENT), ("units", _UNITS)):
            if getattr(self, name) not in known:
                options = ", ".join(repr(option) for option in known)
                raise ValueError(f"{name} must be one of {options}, got {getattr(self, name)!r}")
        words = self.unit_words
        if not isinstance(words, tuple) or not all(isinstance(w, str) and w for w in words):
            raise ValueError(f"unit_words must be a tuple of words, got {words!r}")
        for name in ("ordered_tuples", "ordered_sets"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        letters = self.choices
        if not isinstance(letters, str) or not set(letters) <= set("ABCDEFGHIJ"):
            raise ValueError(f"choices must be capital letters from A to J, got {letters!r}")
        seconds = self.deadline
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, (int, float))
            or not (math.isfinite(seconds) and 0 < seconds <= 600)
        ):
            raise ValueError(f"deadline must be above 0 and at most 600 seconds, got {seconds!r}")
