"""Parsers: from the text of a completion to a typed answer, or the reason why there is none.

A parser is a callable `(text) -> Parsed[T] | ParseFailure` that is frozen, picklable and hashable.
It never raises on text, takes time linear in its length, and refuses what exceeds its size caps.

`vlreward.parsers.math` and `vlreward.tasks.published` (the rules of published code) are imported
where they are used.
"""

from collections.abc import Callable
from typing import Any

from vlreward.parsers.boxes import BoxesParser, BoxParser, LabelledBox
from vlreward.parsers.choice import Choice, ChoiceParser
from vlreward.parsers.counts import CountParser
from vlreward.parsers.points import Point, PointParser
from vlreward.parsers.tags import Several, Where, answer_region, think_answer_structure
from vlreward.registry import Registry
from vlreward.types import Parsed, ParseFailure

__all__ = [
    "PARSERS",
    "BoxParser",
    "BoxesParser",
    "Choice",
    "ChoiceParser",
    "CountParser",
    "LabelledBox",
    "Point",
    "PointParser",
    "Several",
    "Where",
    "answer_region",
    "think_answer_structure",
]

PARSERS: Registry[Callable[[str], Parsed[Any] | ParseFailure]] = Registry(
    "parser", group="vlreward.parsers"
)
"""Ready-made parsers by name; plug-ins add theirs."""

PARSERS.register("box", BoxParser())
PARSERS.register("box-anywhere", BoxParser(where="whole"))
PARSERS.register("boxes", BoxesParser())
PARSERS.register("boxes-anywhere", BoxesParser(where="whole"))
PARSERS.register("point", PointParser())
PARSERS.register("point-anywhere", PointParser(where="whole"))
PARSERS.register("letters", ChoiceParser())
PARSERS.register("letters-anywhere", ChoiceParser(where="whole"))
PARSERS.register("count", CountParser())
PARSERS.register("count-anywhere", CountParser(where="whole"))
