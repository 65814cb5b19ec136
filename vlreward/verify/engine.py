"""The three tiers in order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Literal

from vlreward.verify.cache import Cache
from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.reader import read
from vlreward.verify.exact.settle import EXACT_VERSION, Settled, read_gold, settle_exactly
from vlreward.verify.exact.text import MAX_CHARACTERS, to_latex
from vlreward.verify.policy import Policy
from vlreward.verify.verdict import Verdict

__all__ = ["CACHE_SIZE", "cache", "check_gold", "verify", "verify_batch", "verify_quickly"]

CACHE_SIZE = 16_384
"""Comparisons remembered; those of a text of more than `MAX_CHARACTERS` characters are not."""

cache: Cache[Settled] = Cache(CACHE_SIZE)
_DEFAULT = Policy()


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
        The verdict. No text raises.

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
    started = perf_counter()
    _check_strings(gold, answer)
    return _settle(gold, answer, policy, started) or _ask(gold, answer, policy, started)


def verify_quickly(gold: str, answer: str, policy: Policy = _DEFAULT) -> Verdict | None:
    """`verify` without its third tier: the verdict, or None where only a worker can tell."""
    _check_strings(gold, answer)
    return _settle(gold, answer, policy, perf_counter())


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
    verdicts: dict[tuple[str, str], Verdict] = {}
    hard: list[tuple[str, str]] = []
    for gold, answer in pairs:
        _check_strings(gold, answer)
    for gold, answer in dict.fromkeys((gold, answer) for gold, answer in pairs):
        verdict = _settle(gold, answer, policy, perf_counter())
        if verdict is None:
            hard.append((gold, answer))
        else:
            verdicts[gold, answer] = verdict
    if hard:
        from vlreward.verify.workers.pool import map_in_threads

        found = map_in_threads(lambda pair: _ask(pair[0], pair[1], policy, perf_counter()), hard)
        verdicts.update(zip(hard, found))
    return [verdicts[gold, answer] for gold, answer in pairs]


def check_gold(gold: str, policy: Policy = _DEFAULT) -> None:
    """Check when the data is loaded that answers can be compared with `gold`.

    Args:
        gold: The right answer.
        policy: What counts as equal; its deadline bounds the check.

    Raises:
        ValueError: `gold` is empty, too long, or nothing that any tier can read.
        TypeError: `gold` is no string.
        RuntimeError: The worker processes cannot be started at all.

    Examples:
        >>> check_gold("(√{3}+1)小时")
        >>> check_gold(" ")
        Traceback (most recent call last):
        ValueError: expected a gold answer to compare with, got ' ': it is empty
    """
    _check_strings(gold, gold)
    reading = read_gold(gold)
    if reading.status == "read":
        return
    reason = {
        "empty": "it is empty",
        "too_complex": f"it is too complex ({reading.detail})",
        "malformed": f"it has no mathematical value ({reading.detail})",
    }.get(reading.status)
    reason = reason or _too_complex(reading.text)
    if reason is None:
        verdict = _ask(gold, gold, policy, perf_counter())
        if verdict.outcome == "correct":
            return
        reason = f"{verdict.outcome.replace('_', ' ')} ({verdict.detail or reading.detail})"
    raise ValueError(f"expected a gold answer to compare with, got {_shown(gold)}: {reason}")


def _too_complex(text: str) -> str | None:
    reason = complexity(text)
    return f"it is too complex ({reason})" if reason else None


def _check_strings(gold: object, answer: object) -> None:
    for value in (gold, answer):
        if not isinstance(value, str):
            raise TypeError(f"expected the gold and the answer as strings, got {value!r}")


def _settle(gold: str, answer: str, policy: Policy, started: float) -> Verdict | None:
    """The verdict of the cache or of the exact tier, or None where a worker has to decide."""
    key: Hashable = (gold, answer, policy, EXACT_VERSION)
    known = cache.get(key)
    tier: Literal[1, 2] = 1 if known is None else 2
    if known is None:
        known = settle_exactly(gold, answer, policy)
        if known is None:
            key = (gold, answer, policy, _versions())
            known = cache.get(key)
            tier = 2
        elif len(gold) <= MAX_CHARACTERS and len(answer) <= MAX_CHARACTERS:
            cache.put(key, known)
    if known is None:
        return None
    return Verdict(known.outcome, tier, (perf_counter() - started) * 1000, known.detail)


def _ask(gold: str, answer: str, policy: Policy, started: float) -> Verdict:
    from vlreward.verify.workers.pool import run

    places = 6 if policy.decimals == "gold" else policy.decimals
    result = run(
        {
            "job": "pair",
            "gold": to_latex(read(gold).text),
            "answer": to_latex(read(answer).text),
            "decimals": places,
            "ordered_tuples": policy.ordered_tuples,
        },
        policy.deadline,
    )
    if result.outcome not in ("timeout", "worker_died"):
        cache.put((gold, answer, policy, _versions()), Settled(result.outcome, result.detail))
    return Verdict(result.outcome, 3, (perf_counter() - started) * 1000, result.detail)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


@lru_cache(maxsize=1)
def _versions() -> str:
    """What the verdicts of the workers depend on beside their inputs; a part of the cache key."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("math-verify", "latex2sympy2_extended", "sympy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return ", ".join(found)
