"""The three tiers in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.latex import readings_of
from vlreward.verify.exact.reader import DEEP, Reading, read
from vlreward.verify.exact.settle import read_gold, settle
from vlreward.verify.exact.text import MAX_CHARACTERS
from vlreward.verify.exact.values import Number
from vlreward.verify.policy import Policy
from vlreward.verify.verdict import Verdict

__all__ = ["CACHE_SIZE", "check_gold", "forget", "verify", "verify_batch", "verify_quickly"]

CACHE_SIZE = 16_384
"""Comparisons remembered; those of a text of more than `MAX_CHARACTERS` characters are not."""

_DEFAULT = Policy()
# What marks a worked solution: GSM8K's last line, or a sentence and more around an equation.
_SOLUTION = re.compile("####|<answer>")
_EQUATION = re.compile(r"[=0-9]")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z{(^_])")
_PASSING = ("timeout", "worker_died")  # what says nothing about the pair


def verify(gold: str, answer: str, policy: Policy = _DEFAULT) -> Verdict:
    r"""Whether `answer` equals `gold`.

    Both texts are read alike, with or without LaTeX delimiters: `answer` is the answer that was
    extracted from a completion, never the completion. Safe to call from any thread; from a
    coroutine use ``await asyncio.to_thread(verify, gold, answer)``, as a comparison may block
    until the policy's deadline.

    Args:
        gold: The right answer.
        answer: The answer to judge: hostile text of any length.
        policy: What counts as equal.

    Returns:
        The verdict. No text raises, and for a gold that `check_gold` accepts it is never
        ``unparsable_gold``.

    Raises:
        TypeError: `gold` or `answer` is no string.
        RuntimeError: The worker processes cannot be started at all.

    Examples:
        >>> verify("50%", "0.5").outcome
        'correct'
        >>> verify("1/3", "0.33").outcome
        'wrong'
        >>> verify("16", "2^(10^10)").outcome
        'too_complex'
    """
    return verify_quickly(gold, answer, policy) or _ask(gold, answer, policy)


def verify_quickly(gold: str, answer: str, policy: Policy = _DEFAULT) -> Verdict | None:
    """`verify` without its third tier: the verdict, or None where only a worker can tell.

    Never waits: bounded work in this process alone, for an event loop or a step that must not
    stand still.

    Raises:
        TypeError: `gold` or `answer` is no string.

    Examples:
        >>> verify_quickly("2√{3}", "√12").outcome
        'correct'
    """
    _check_strings(gold, answer)
    if known := _known(gold, answer, policy):
        return Verdict(known[0].outcome, 2, known[0].detail)
    found = settle(read_gold(gold), read(answer), policy)
    return None if found is None else _remember(gold, answer, policy, found)


def verify_batch(pairs: Sequence[tuple[str, str]], policy: Policy = _DEFAULT) -> list[Verdict]:
    """Verdicts for many pairs: duplicates are settled once, worker jobs run side by side.

    Args:
        pairs: ``(gold, answer)`` each.
        policy: What counts as equal, for all of them.

    Returns:
        One verdict for each pair, in order.

    Raises:
        TypeError: A gold or an answer is no string.
        RuntimeError: The worker processes cannot be started at all.
    """
    for gold, answer in pairs:
        _check_strings(gold, answer)
    unique = dict.fromkeys((gold, answer) for gold, answer in pairs)
    verdicts = {pair: verify_quickly(*pair, policy) for pair in unique}
    hard = [pair for pair, verdict in verdicts.items() if verdict is None]
    if hard:
        from vlreward.verify.workers.pool import map_in_threads

        verdicts.update(zip(hard, map_in_threads(lambda pair: _ask(*pair, policy), hard)))
    found = [verdicts[gold, answer] for gold, answer in pairs]
    return [verdict for verdict in found if verdict is not None]


def check_gold(gold: str, policy: Policy = _DEFAULT) -> None:
    """Check when the data is loaded that answers can be compared with `gold`.

    Args:
        gold: The right answer.
        policy: What counts as equal; its deadline bounds the check.

    Raises:
        ValueError: `gold` is empty, too long, a worked solution, or nothing that any tier can
            read.
        TypeError: `gold` is no string.
        RuntimeError: The worker processes cannot be started at all.

    Examples:
        >>> check_gold("(√{3}+1)小时")
        >>> check_gold(" ")
        Traceback (most recent call last):
        ValueError: expected a gold answer to compare with, got ' ': it is empty
    """
    _check_strings(gold, gold)
    reason = _unusable(gold, read_gold(gold), policy)
    if reason is not None:
        shown = repr(gold if len(gold) <= 80 else gold[:77] + "...")
        raise ValueError(f"expected a gold answer to compare with, got {shown}: {reason}")


def _unusable(gold: str, reading: Reading, policy: Policy) -> str | None:
    """Why no answer could be compared with `gold`, or None."""
    if reading.status == "empty":
        return "it is empty"
    if _SOLUTION.search(gold) or (_EQUATION.search(gold) and len(_PROSE.findall(gold)) > 7):
        return "it holds a worked solution; give the answer alone"
    if reading.status == "malformed":
        return f"it has no mathematical value ({reading.detail})"
    complex_ = reading.detail if reading.status == "too_complex" else complexity(reading.text)
    if complex_ and reading.status != "read":
        return f"it is too complex ({complex_})"
    if reading.status == "read" or reading.prose:
        return None
    found = _ask(gold, gold, policy)
    if found.correct:
        return None
    return f"{found.outcome.replace('_', ' ')} ({found.detail or reading.detail})"


def _check_strings(gold: object, answer: object) -> None:
    for value in (gold, answer):
        if not isinstance(value, str):
            raise TypeError(f"expected the gold and the answer as strings, got {value!r}")


def _other_unit(one: Reading, other: Reading) -> bool:
    """Whether a worker, which drops units, would drop a degree mark beside a unit of another."""
    units = [value.unit for value in one.values if isinstance(value, Number)]
    return (
        other.status != "read"
        and "°" in other.text
        and any(unit is not None and unit.dimension != "angle" for unit in units)
    )


@lru_cache(CACHE_SIZE)  # safe from threads and across a fork
def _cell(gold: str, answer: str, policy: Policy) -> list[Verdict]:
    return []


forget = _cell.cache_clear


def _known(gold: str, answer: str, policy: Policy) -> list[Verdict]:
    """Where the verdict on a pair is kept; empty until there is one."""
    if max(len(gold), len(answer)) > MAX_CHARACTERS:
        return []
    return _cell(gold, answer, policy)


def _remember(gold: str, answer: str, policy: Policy, found: Verdict) -> Verdict:
    """The verdict, remembered if it belongs to the pair, not to the moment or caller's stack."""
    if found.outcome not in _PASSING and not found.detail.endswith(DEEP):
        _known(gold, answer, policy).append(found)
    return found


def _ask(gold: str, answer: str, policy: Policy) -> Verdict:
    from vlreward.verify.workers.pool import run

    right, given = read_gold(gold), read(answer)
    if _other_unit(right, given) or _other_unit(given, right):
        found = Verdict("unparsable_answer", 1, "a degree mark beside a unit of another kind")
        return _remember(gold, answer, policy, found)
    job = {
        "job": "pair",
        "golds": readings_of(right),
        "answers": readings_of(given),
        "decimals": 6 if policy.decimals == "gold" else policy.decimals,
        "ordered_tuples": policy.ordered_tuples,
    }
    found = run(job, policy.deadline)
    if found.outcome == "unparsable_gold" and right.status == "read":
        found = Verdict("unparsable_answer", 3, "answer: nothing that compares with the gold")
    return _remember(gold, answer, policy, found)
