"""Tier 1: what exact arithmetic and the shapes of two texts decide."""

from __future__ import annotations

from typing import NamedTuple

from vlreward.verify.cache import Cache
from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.compare import equal
from vlreward.verify.exact.reader import DEEP, Reading, read
from vlreward.verify.exact.surd import Malformed, TooComplex, Undecided
from vlreward.verify.exact.text import MAX_CHARACTERS
from vlreward.verify.exact.values import (
    Choice,
    Equation,
    Group,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Symbol,
    Word,
)
from vlreward.verify.policy import Policy
from vlreward.verify.verdict import Outcome

__all__ = ["Settled", "forget_golds", "read_gold", "settle", "settle_exactly"]


class Settled(NamedTuple):
    """An outcome with its reason."""

    outcome: Outcome
    detail: str = ""


_DEFAULT = Policy()
_golds: Cache[Reading] = Cache(16_384)
forget_golds = _golds.clear


def read_gold(gold: str) -> Reading:
    """`read`, remembered: a gold comes with every completion of its group."""
    found = _golds.get(gold)
    if found is None:
        found = read(gold)
        if len(gold) <= MAX_CHARACTERS and found.detail != DEEP:
            _golds.put(gold, found)
    return found


def settle_exactly(gold: str, answer: str, policy: Policy = _DEFAULT) -> Settled | None:
    """The outcome of tier 1 for a pair of strings, or None where a worker has to decide."""
    return settle(read_gold(gold), read(answer), policy)


def settle(right: Reading, given: Reading, policy: Policy) -> Settled | None:
    """The outcome of tier 1 for a gold and an answer, or None where a worker has to decide."""
    if right.status == "read" and given.status == "read":
        return _compare(right, given, policy) or _refused(right, given)
    failed = _failure(right, given)
    if failed is not None:
        return failed
    if right.text.replace(" ", "") == given.text.replace(" ", "") and any(
        character.isalnum() for character in right.text
    ):
        return Settled("correct")
    return _shapes(right, given)


def _failure(gold: Reading, answer: Reading) -> Settled | None:
    for reading, side in ((gold, "gold"), (answer, "answer")):
        if reading.status == "too_complex":
            return Settled("too_complex", f"{side}: {reading.detail}")
        if reading.status in ("empty", "malformed"):
            detail = f"{side}: {reading.detail or 'empty'}"
            return Settled("unparsable_gold" if reading is gold else "unparsable_answer", detail)
    return None


def _compare(gold: Reading, answer: Reading, policy: Policy) -> Settled | None:
    unknown = False
    for g in gold.values:
        for a in answer.values:
            try:
                found = equal(g, a, policy)
            except (Undecided, Malformed):
                found = None
            except TooComplex as reason:
                return Settled("too_complex", str(reason))
            if found:
                return Settled("correct")
            unknown = unknown or found is None
    if unknown:
        return None
    if _is_word(answer) and not any(isinstance(g, (Word, Choice, Symbol)) for g in gold.values):
        return Settled("unparsable_answer", "answer: words")
    return Settled("wrong")


def _refused(gold: Reading, answer: Reading) -> Settled | None:
    """What must not travel to a worker."""
    for reading, side in ((gold, "gold"), (answer, "answer")):
        reason = complexity(reading.text)
        if reason:
            return Settled("too_complex", f"{side}: {reason}")
    return None


def _is_word(reading: Reading) -> bool:
    return any(isinstance(value, Word) for value in reading.values)


def _shapes(gold: Reading, answer: Reading) -> Settled | None:
    """What the shapes alone decide, before math-verify, which overlooks them, sees the pair."""
    if gold.values and all(isinstance(value, Word) for value in gold.values):
        same = any(isinstance(v, Word) and v.text == answer.text.lower() for v in gold.values)
        return Settled("correct" if same else "wrong")
    if (answer.prose or _is_word(answer)) and not (gold.prose or _is_word(gold)):
        return Settled("unparsable_answer", f"answer: {answer.detail or 'words'}")
    refused = _refused(gold, answer)
    if refused is not None:
        return refused
    closed = (Number, Range, Ratio, Group, Infinity)
    for known, other in ((gold, answer), (answer, gold)):
        values = [v.value if isinstance(v, Named) else v for v in known.values]
        if any(isinstance(value, Equation) for value in values) and "=" not in other.text:
            return Settled("wrong", "an equation against a value")
        if other.status == "undecided" and values and all(isinstance(v, closed) for v in values):
            brackets = {(v.opening, v.closing) for v in values if isinstance(v, Group)}
            outer = (other.text[0], other.text[-1])
            if outer in _BRACKETS and brackets and not brackets & {outer, ("", "")}:
                return Settled("wrong", "different brackets")
    first, second = ((r.text[0], r.text[-1]) for r in (gold, answer))
    if first != second and {first, second} <= _BRACKETS and "," in gold.text and "," in answer.text:
        return Settled("wrong", "different brackets")
    return None


_BRACKETS = {("(", ")"), ("[", "]"), ("⦃", "⦄"), ("(", "]"), ("[", ")")}
