"""Parsers: from the text of a completion to a typed answer, or the reason why there is none.

A parser is a callable `(text) -> Parsed[T] | ParseFailure` that is frozen, picklable and hashable.
It never raises on text, takes time linear in its length, and refuses what exceeds its size caps.

`vlreward.parsers.math` and `vlreward.parsers.compat` (the rules of published code) are imported
where they are used.
"""

from vlreward.parsers.boxes import BoxParser
from vlreward.parsers.counts import CountParser
from vlreward.parsers.tags import Several, Where, answer_region, think_answer_structure

__all__ = [
    "BoxParser",
    "CountParser",
    "Several",
    "Where",
    "answer_region",
    "think_answer_structure",
]
