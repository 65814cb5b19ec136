"""Whether two values are equal under a policy."""

from __future__ import annotations

import re

from vlreward.verify.exact import algebra
from vlreward.verify.exact.names import STOP_WORDS
from vlreward.verify.exact.quantities import close, factor, near, numbers_equal
from vlreward.verify.exact.relations import (
    as_relation,
    has_ranges,
    intervals,
    letters_as_form,
    merged,
    same_relation,
)
from vlreward.verify.exact.sample import all_names, constant_value, differs
from vlreward.verify.exact.surd import multiply, rational
from vlreward.verify.exact.units import parse_unit
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

__all__ = ["equal"]


def equal(gold: Value, answer: Value, policy: Policy) -> bool | None:
    """Whether `answer` equals `gold`; None where the exact tier cannot tell."""
    if isinstance(gold, Number) and gold.unit and isinstance(answer, Symbolic):
        answer = _with_unit(answer) or answer
    elif isinstance(answer, Number) and answer.unit and isinstance(gold, Symbolic):
        gold = _with_unit(gold) or gold
    if isinstance(gold, Number) and isinstance(answer, Number):
        return numbers_equal(gold, answer, policy)
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _choices(gold, answer, policy)
    if isinstance(gold, (Named, Relation)) or isinstance(answer, (Named, Relation)):
        return _named(gold, answer, policy)
    if isinstance(gold, Equation) and isinstance(answer, Equation):
        return None
    if isinstance(gold, (Equation, Word)) or isinstance(answer, (Equation, Word)):
        return _words(gold, answer)
    lists = [v for v in (gold, answer) if isinstance(v, Group) and not has_ranges(v)]
    if len(lists) == 2:
        return _groups(lists[0], lists[1], policy)
    if isinstance(gold, (Range, Union, Group)) or isinstance(answer, (Range, Union, Group)):
        return _regions(gold, answer, policy)
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return _ratios(gold, answer, policy)
    if isinstance(gold, (Clock, InBase)) or isinstance(answer, (Clock, InBase)):
        return _marked(gold, answer)
    if isinstance(gold, Infinity) or isinstance(answer, Infinity):
        return (
            isinstance(gold, Infinity)
            and isinstance(answer, Infinity)
            and (gold.sign == answer.sign)
        )
    if isinstance(gold, Empty) or isinstance(answer, Empty):
        return isinstance(gold, Empty) and isinstance(answer, Empty)
    return _expressions(gold, answer, policy)


_GLUED = re.compile(r"(-?\d{1,40})([shgLlNJWVAFCTKBΩ])")


def _with_unit(value: Symbolic) -> Number | None:
    """`3h` as hours, beside a quantity: alone, the letter may be a variable."""
    found = _GLUED.fullmatch(value.text)
    unit = parse_unit(found[2], upright=True) if found and value.unit is None else None
    return Number(rational(int(found[1])), unit=unit[0]) if found and unit else None


def _named(gold: Value, answer: Value, policy: Policy) -> bool | None:
    """Assignments and relations: by value where the names allow it, else as relations."""
    first, second = (v.value if isinstance(v, Named) else v for v in (gold, answer))
    if isinstance(gold, Named) and isinstance(answer, Named):
        if _same_name(gold.name, answer.name):
            return equal(first, second, policy)
    elif not isinstance(gold, Relation) and not isinstance(answer, Relation):
        return equal(first, second, policy)
    relations = as_relation(gold), as_relation(answer)
    if relations[0] is None or relations[1] is None:
        return False
    return same_relation(relations[0], relations[1])


def _same_name(first: str, second: str) -> bool:
    """Whether two names can be of one quantity; a number below may be left out: x is x_1."""
    if not first or not second or first == second:
        return True
    stems = [re.sub(r"_\d+$", "", name) for name in (first, second)]
    return stems[0] == stems[1] and stems[0] in (first, second)


def _words(gold: Value, answer: Value) -> bool:
    texts = [
        v.text if isinstance(v, (Word, Spelled)) else v.letter if isinstance(v, Symbol) else None
        for v in (gold, answer)
    ]
    return texts[0] is not None and texts[1] is not None and texts[0].lower() == texts[1].lower()


def _marked(gold: Value, answer: Value) -> bool:
    if isinstance(gold, InBase) and isinstance(answer, InBase):
        return (gold.digits, gold.base) == (answer.digits, answer.base)
    if isinstance(gold, Clock) and isinstance(answer, Clock):
        if gold.half and answer.half:
            return _minutes(gold) == _minutes(answer)
        return (gold.hour % 12, gold.minute) == (answer.hour % 12, answer.minute)
    return False


def _minutes(clock: Clock) -> int:
    return (clock.hour % 12 + 12 * (clock.half == "pm")) * 60 + clock.minute


def _expressions(gold: Value, answer: Value, policy: Policy) -> bool | None:
    """What is left: numbers, expressions, single letters and short runs of them."""
    if isinstance(gold, Symbol) and isinstance(answer, Symbol):
        return gold.letter == answer.letter
    if isinstance(gold, Spelled) and isinstance(answer, Spelled):
        return _spelled(gold, answer)
    sides = []
    for value in (gold, answer):
        if isinstance(value, Spelled) and value.text.lower() in STOP_WORDS:
            return False
        form = letters_as_form(value)
        side = value if form is None else Symbolic(form, None, None, "")
        if not isinstance(side, (Number, Symbolic)):
            return False
        sides.append(side)
    return _symbolic(sides[0], sides[1], policy)


def _spelled(gold: Spelled, answer: Spelled) -> bool:
    """Names keep the order of their letters; a product of variables does not."""
    if gold.mark and answer.mark and gold.mark != answer.mark:
        return False
    first, second = gold.text, answer.text
    words = len(first) > 2 or first.lower() in STOP_WORDS
    if first == second or (words and first.lower() == second.lower()):
        return True
    if first == second[::-1] and first.isupper():
        # The angle ABC is CBA; the segment AB, as a product of two letters, is BA.
        return len(first) == 2 or (len(first) == 3 and "∠" in (gold.mark, answer.mark))
    product = first.islower() and sorted(first) == sorted(second) and set(first) <= _VARIABLES
    return product and not {first, second} & STOP_WORDS


_VARIABLES = frozenset("abcdhklmnpqrstuvwxyz")


def _symbolic(gold: Number | Symbolic, answer: Number | Symbolic, policy: Policy) -> bool | None:
    g, a = (v.form if isinstance(v, Symbolic) else algebra.exact(v.surd) for v in (gold, answer))
    if policy.units == "match" and gold.unit is not None and answer.unit is not None:
        if gold.unit.dimension != answer.unit.dimension:
            return False
        if gold.unit != answer.unit:
            a = algebra.multiply(a, algebra.exact(factor(answer.unit, gold.unit)))
    rest = algebra.difference(g, a)
    if not rest:
        return True
    if gold.places is not None or answer.places is not None:
        values = constant_value(g), constant_value(a)
        if values[0] is not None and values[1] is not None:
            return near(values[0], values[1], gold, policy)
    names = all_names(g) | all_names(a)
    if not any(isinstance(name, algebra.Opaque) for name in names):
        return False
    return False if differs(rest) else None


def _choices(gold: Value, answer: Value, policy: Policy) -> bool | None:
    if isinstance(gold, Choice) and gold.letter not in policy.choices:
        return None if gold.text else equal(Symbol(gold.letter), answer, policy)
    if isinstance(answer, Choice) and answer.letter not in policy.choices:
        return None if answer.text else equal(gold, Symbol(answer.letter), policy)
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        if gold.letter != answer.letter:
            return False
        # The letter settles it, unless a content is there that certainly is another.
        return (
            not gold.content
            or not answer.content
            or (_any(gold.content, answer.content, policy) is not False)
        )
    if isinstance(gold, Choice):
        if isinstance(answer, Symbol):
            return gold.letter == answer.letter.upper()
        return _content(gold, (answer,), policy, of_gold=True)
    assert isinstance(answer, Choice)
    if isinstance(gold, Symbol) and gold.letter.upper() == answer.letter:
        return True
    return _content(answer, (gold,), policy, of_gold=False)


def _content(
    choice: Choice, other: tuple[Value, ...], policy: Policy, of_gold: bool
) -> bool | None:
    """Whether the content beside a letter equals a value; None where it was not read."""
    if not choice.content:
        return None if choice.text else False
    return _any(choice.content, other, policy) if of_gold else _any(other, choice.content, policy)


def _any(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> bool | None:
    verdict: bool | None = False
    for g in gold:
        for a in answer:
            found = equal(g, a, policy)
            if found:
                return True
            if found is None:
                verdict = None
    return verdict


def _groups(gold: Group, answer: Group, policy: Policy) -> bool | None:
    if "⟦" in (gold.opening, answer.opening):
        return _matrices(gold, answer, policy)
    bare = not gold.opening or not answer.opening
    if bare and any(group.opening + group.closing in ("[)", "(]") for group in (gold, answer)):
        return False
    if not bare and (gold.opening, gold.closing) != (answer.opening, answer.closing):
        return False
    if len(gold.items) != len(answer.items):
        # A list of points is a set of them; in a list of numbers each one counts.
        points = all(isinstance(item, Group) for item in gold.items + answer.items)
        sets = gold.opening == answer.opening == "⦃" or (bare and points)
        return _as_sets(gold, answer, policy) if sets else False
    kinds = {gold.opening, answer.opening}
    ordered = policy.ordered_tuples if kinds & {"(", "["} else policy.ordered_sets
    if not ordered:
        return _unordered(gold.items, answer.items, policy)
    return _in_order(gold.items, answer.items, policy)


def _in_order(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> bool | None:
    verdict: bool | None = True
    for g, a in zip(gold, answer):
        found = equal(g, a, policy)
        if found is False:
            return False
        if found is None:
            verdict = None
    return verdict


def _matrices(gold: Group, answer: Group, policy: Policy) -> bool | None:
    if gold.opening != answer.opening or len(gold.items) != len(answer.items):
        return False
    return _in_order(gold.items, answer.items, policy)


def _as_sets(gold: Group, answer: Group, policy: Policy) -> bool | None:
    """Sets of different length are equal only where one of them repeats an element."""
    if policy.ordered_sets or "(" in (gold.opening, answer.opening):
        return False
    first = _distinct(gold.items, policy)
    second = _distinct(answer.items, policy)
    return len(first) == len(second) and _unordered(first, second, policy)


def _distinct(items: tuple[Value, ...], policy: Policy) -> tuple[Value, ...]:
    kept: list[Value] = []
    for item in items:
        if not any(equal(other, item, policy) for other in kept):
            kept.append(item)
    return tuple(kept)


def _unordered(gold: tuple[Value, ...], answer: tuple[Value, ...], policy: Policy) -> bool | None:
    """Whether the elements pair off; each takes the first equal one that is left."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    unknown = False
    for g in gold:
        for index, a in enumerate(left):
            found = equal(g, a, policy)
            if found:
                del left[index]
                break
            unknown = unknown or found is None
        else:
            return None if unknown else False
    return True


def _regions(gold: Value, answer: Value, policy: Policy) -> bool | None:
    """Intervals, inequalities and unions of them."""
    first, second = intervals(gold), intervals(answer)
    if first is None or second is None:
        return None if isinstance(gold, Union) and isinstance(answer, Union) else False
    if len(first) > 1 or len(second) > 1:
        first, second = merged(first), merged(second)
    if len(first) != len(second):
        return False
    verdict: bool | None = True
    for g, a in zip(first, second):
        if (g.low_open, g.high_open) != (a.low_open, a.high_open):
            return False
        for ends in ((g.low, a.low), (g.high, a.high)):
            found = equal(*ends, policy)
            if not found:
                return found
    return verdict


def _ratios(gold: Value, answer: Value, policy: Policy) -> bool | None:
    clocks = [v if isinstance(v, Clock) else _clock(v) for v in (gold, answer)]
    if any(isinstance(v, Clock) for v in (gold, answer)):
        return clocks[0] is not None and clocks[1] is not None and _marked(clocks[0], clocks[1])
    sides = []
    for value in (gold, answer):
        if isinstance(value, (Number, Symbolic)):
            value = Ratio((value, Number(rational(1))))
        if not isinstance(value, Ratio):
            return False
        sides.append(value.parts)
    first, second = sides
    if len(first) != len(second):
        return False
    numbers = [part for part in first + second if isinstance(part, Number)]
    if len(numbers) < len(first) + len(second):
        return _in_order(first, second, policy)
    if any(isinstance(p, Number) and not p.surd for p in first[1:] + second[1:]):
        # 12:00 is a time, not a ratio.
        return all(
            isinstance(g, Number) and isinstance(a, Number) and g.surd == a.surd
            for g, a in zip(first, second)
        )
    g0, a0 = numbers[0], numbers[len(first)]
    return all(
        close(multiply(g.surd, a0.surd), multiply(g0.surd, a.surd), g, a, policy)
        for g, a in zip(numbers[1 : len(first)], numbers[len(first) + 1 :])
    )


def _clock(value: Value) -> Clock | None:
    """``10:30``, which could be a ratio, as a time of the day."""
    if not isinstance(value, Ratio) or len(value.parts) != 2:
        return None
    times = [part.surd.get((1, 0), (0, 1)) for part in value.parts if isinstance(part, Number)]
    if len(times) != 2 or any(d != 1 for _, d in times):
        return None
    hour, minute = times[0][0], times[1][0]
    return Clock(hour, minute, "") if 0 <= hour < 25 and 0 <= minute < 60 else None
