"""Tier 1: what exact arithmetic and the shapes of two texts decide."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.compare import equal
from vlreward.verify.exact.lexer import CLOSING, OPENING
from vlreward.verify.exact.reader import DEEP, Reading, read
from vlreward.verify.exact.surd import Malformed, TooComplex, Undecided
from vlreward.verify.exact.text import MAX_CHARACTERS
from vlreward.verify.exact.units import UNKNOWN, Unit, singular
from vlreward.verify.exact.values import (
    Choice,
    Clock,
    Empty,
    Equation,
    Group,
    InBase,
    Infinity,
    Named,
    Number,
    Range,
    Ratio,
    Relation,
    Spelled,
    Symbol,
    Symbolic,
    Union,
    Value,
    Word,
)
from vlreward.verify.policy import Policy
from vlreward.verify.verdict import Verdict

__all__ = ["forget_golds", "read_gold", "settle", "settle_exactly"]


_DEFAULT = Policy()


@lru_cache(maxsize=16_384)
def _cell(gold: str) -> list[Reading]:
    return []


forget_golds = _cell.cache_clear


def read_gold(gold: str) -> Reading:
    """`read`, remembered: a gold comes with every completion of its group.

    Not so a reading that hung on the caller's stack, which says nothing of its text.
    """
    try:
        cell = _cell(gold) if len(gold) <= MAX_CHARACTERS else []
        if cell:
            return cell[0]
        found = read(gold)
    except RecursionError:  # so near the end that `read` had no room to say so
        return Reading("too_complex", "", (), False, DEEP)
    if found.detail != DEEP:
        cell.append(found)
    return found


def settle_exactly(gold: str, answer: str, policy: Policy = _DEFAULT) -> Verdict | None:
    """The outcome of tier 1 for a pair of strings, or None where a worker has to decide."""
    return settle(read_gold(gold), read(answer), policy)


def settle(right: Reading, given: Reading, policy: Policy) -> Verdict | None:
    """The outcome of tier 1 for a gold and an answer, or None where a worker has to decide."""
    if right.plain and given.plain:  # there is nothing else to them
        return _CORRECT if equal(right.values[0], given.values[0], policy) else _WRONG
    if len(given.values) == 1 and isinstance(given.values[0], Choice):
        given = _without_letter(given, right)
    elif len(right.values) == 1 and isinstance(right.values[0], Choice):
        right = _without_letter(right, given)
    if right.status == given.status == "read":
        found = _compare(right, given, policy)
        if found is None:
            return _refused(right, given)
        if found.outcome == "wrong" and not isinstance(given.values[0], Number):
            return Verdict("correct", 1) if _alike(right, given) else found
        return found
    failed = _failure(right, given)
    if failed is not None:
        return failed
    return Verdict("correct", 1) if _alike(right, given) else _unread(right, given)


def _without_letter(reading: Reading, other: Reading) -> Reading:
    """What a content that was not read is by itself, where no letter stands on the other side."""
    (choice,) = reading.values
    assert isinstance(choice, Choice)
    letters = [
        value.letter.upper() if isinstance(value, Symbol) else choice.letter
        for value in other.values
        if isinstance(value, (Choice, Symbol))
    ]
    if choice.content or not choice.text or choice.letter in letters:
        return reading
    return read(choice.text)


def _failure(gold: Reading, answer: Reading) -> Verdict | None:
    for reading, side in ((gold, "gold"), (answer, "answer")):
        if reading.status == "too_complex":
            return Verdict("too_complex", 1, f"{side}: {reading.detail}")
        if reading.status in ("empty", "malformed"):
            detail = f"{side}: {reading.detail or 'empty'}"
            return Verdict("unparsable_gold" if reading is gold else "unparsable_answer", 1, detail)
    return None


def _alike(gold: Reading, answer: Reading) -> bool:
    """Whether two texts differ by spaces alone, and those part no digits."""
    first, second = gold.text.replace(" ", ""), answer.text.replace(" ", "")
    if first != second or not any(c.isalnum() or c in "∅ℝ" for c in first):
        return False
    return gold.text == answer.text or not (
        _DIGITS.search(gold.text) or _DIGITS.search(answer.text)
    )


_DIGITS = re.compile(r"\d \d")


def _compare(gold: Reading, answer: Reading, policy: Policy) -> Verdict | None:
    unknown = False
    strange = _strange_units(gold, answer, policy)
    for g in gold.values[gold.doubtful :]:
        for a in answer.values:
            try:
                found = equal(g, a, policy)
            except (Undecided, Malformed):
                found = None
            except TooComplex as reason:
                return Verdict("too_complex", 1, str(reason))
            except RecursionError:
                return Verdict("too_complex", 1, DEEP)
            if found:
                return strange or _CORRECT
            unknown = unknown or found is None
    if unknown:
        return strange
    if strange is None and _is_word(answer) and not _takes_words(gold):
        strange = Verdict("unparsable_answer", 1, "answer: words")
    return strange or _WRONG


_CORRECT, _WRONG = Verdict("correct", 1), Verdict("wrong", 1)


def _strange_units(gold: Reading, answer: Reading, policy: Policy) -> Verdict | None:
    """The verdict on an answer with a word for a unit that neither a list nor the gold has."""
    for value in answer.values:
        if type(value) is Number and (
            value.unit is None or not value.unit.dimension.startswith(UNKNOWN)
        ):
            continue
        for unit in _units(value):
            if not unit.dimension.startswith(UNKNOWN):
                continue
            word = unit.dimension.removeprefix(UNKNOWN)
            golds = {unit.dimension for value in gold.values for unit in _units(value)}
            if unit.dimension in golds or word in map(singular, policy.unit_words):
                continue
            return Verdict("unparsable_answer", 1, f"answer: {word[:40]!r} is no unit")
    return None


def _units(value: Value) -> list[Unit]:
    """The units in a value that are not bare."""
    if isinstance(value, (Number, Symbolic)):
        return [] if value.unit is None else [value.unit]
    if isinstance(value, Named):
        return _units(value.value)
    if isinstance(value, Choice):
        return []
    inner: tuple[Value, ...] = ()
    if isinstance(value, Group):
        inner = value.items
    elif isinstance(value, (Union, Ratio)):
        inner = tuple(value.parts)
    elif isinstance(value, Range):
        inner = (value.low, value.high)
    return [unit for item in inner for unit in _units(item)]


def _refused(gold: Reading, answer: Reading) -> Verdict | None:
    """What must not travel to a worker."""
    for reading, side in ((gold, "gold"), (answer, "answer")):
        reason = complexity(reading.text)
        if reason:
            return Verdict("too_complex", 1, f"{side}: {reason}")
    return None


def _is_word(reading: Reading) -> bool:
    return any(isinstance(value, Word) for value in reading.values) and all(
        isinstance(value, Word) for value in reading.values
    )


def _takes_words(gold: Reading) -> bool:
    return any(
        isinstance(g, (Word, Spelled, Empty)) or (isinstance(g, Choice) and g.text)
        for g in gold.values
    )


def _unread(gold: Reading, answer: Reading) -> Verdict | None:
    """What can be said where a text was not read, before math-verify sees it."""
    if gold.prose and gold.status != "read":
        return Verdict("wrong", 1)  # a sentence equals itself alone
    if answer.status != "read":
        if answer.prose or (gold.values and all(isinstance(g, _PLAIN) for g in gold.values)):
            return Verdict("unparsable_answer", 1, f"answer: {answer.detail or 'words'}")
    elif _is_word(answer):
        return Verdict("unparsable_answer", 1, "answer: words")
    refused = _refused(gold, answer)
    if refused is not None:
        return refused
    if answer.status != "read" and not _balanced(answer.text):
        return Verdict("unparsable_answer", 1, "answer: brackets that do not close, or no value")
    marks, others = _marks(gold), _marks(answer)
    if marks != others:
        strange = sorted((others - marks).elements())
        if strange and answer.status != "read":
            return Verdict("unparsable_answer", 1, f"answer: {strange[0][:20]!r} is not understood")
        return Verdict("wrong", 1, "marks such as primes and subscripts differ")
    if any(mark.startswith("\\") or not mark.isascii() for mark in others):
        return Verdict("unparsable_answer", 1, "answer: it has signs that are not understood")
    return _shapes(gold, answer)


def _balanced(text: str) -> bool:
    """Whether brackets of any kind open before they close, around something."""
    depth = 0
    for character in text:
        depth += (character in OPENING) - (character in CLOSING)
        if depth < 0:
            return False
    return not depth and any(character.isalnum() for character in text)


_PLAIN = (Word, Spelled, Clock, InBase, Empty, Choice, Symbol)
_MARK = re.compile(
    r"'|\d\s*[)}]?\s*_|\\[a-zA-Z]+|[#?@&~`\x00-\x1f]"
    "|[^\x00-\x7fπ√∞°≤≥≠≈±∓∪∈⦃⦄⟦⟧⟨⟩∅ℝ…α-ωΑ-Ω]"
)
_ALGEBRA_TEXT = """
frac sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp lim max min gcd lcm
mod bmod pmod det int iint iiint oint sum prod binom begin end partial nabla vec hat bar
overline forall exists in notin subset subseteq cap cup setminus to rightarrow mathbb lfloor
rfloor lceil rceil Re Im dots infty
"""
_ALGEBRA = frozenset(_ALGEBRA_TEXT.split())


def _marks(reading: Reading) -> Counter[str]:
    """What math-verify overlooks in a text that was not read: it must stand on both sides."""
    if reading.status == "read":
        return Counter()
    found = Counter(_MARK.findall(reading.text))
    for name in list(found):
        if name.startswith("\\") and name[1:] in _ALGEBRA:
            del found[name]
    return found


def _shapes(gold: Reading, answer: Reading) -> Verdict | None:
    """What the brackets alone decide: math-verify takes one kind for another."""
    closed = (Number, Range, Ratio, Group, Infinity)
    for known, other in ((gold, answer), (answer, gold)):
        values = [v.value if isinstance(v, Named) else v for v in known.values]
        relations = (Equation, Relation)
        if any(isinstance(value, relations) for value in values) and not _RELATES.search(
            other.text
        ):
            return Verdict("wrong", 1, "a relation against a value")
        if other.status == "undecided" and values and all(isinstance(v, closed) for v in values):
            brackets = {(v.opening, v.closing) for v in values if isinstance(v, Group)}
            outer = (other.text[0], other.text[-1])
            if outer in _BRACKETS and brackets and not brackets & {outer, ("", "")}:
                return Verdict("wrong", 1, "different brackets")
    first, second = ((r.text[0], r.text[-1]) for r in (gold, answer))
    if first != second and {first, second} <= _BRACKETS and "," in gold.text and "," in answer.text:
        return Verdict("wrong", 1, "different brackets")
    return None


_RELATES = re.compile("[=<>≤≥≠∈]")
_BRACKETS = {("(", ")"), ("[", "]"), ("⦃", "⦄"), ("(", "]"), ("[", ")")}
