"""Several answers to each question: what they come to, question by question."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from pydantic_core import to_jsonable_python

from vlreward.bench.run_files import Attempts
from vlreward.metrics.attempts import best_of, majority_of, spread
from vlreward.metrics.intervals import bootstrap_mean
from vlreward.types import Sample, Score

__all__ = ["RIGHT", "attempts_at", "grouped", "questions_at", "summarise", "vote"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

RIGHT = ("right",)
"""What all right answers vote."""
_LONGEST_VOTE = 1000


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their key, all in their order.

    Example:
        >>> grouped(["a1", "b1", "a2"], lambda name: name[0])
        {'a': ['a1', 'a2'], 'b': ['b1']}
    """
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def attempts_at(most: int) -> list[int]:
    """The k of which pass@k is told: powers of two below the number of answers, and that number.

    Example:
        >>> attempts_at(5)
        [1, 2, 4, 5]
    """
    return [*(1 << i for i in range((most - 1).bit_length())), most] if most > 1 else [1]


def questions_at(samples: Sequence[Sample]) -> dict[str, int]:
    """By k: the number of questions with at least k answers, which pass@k and maj@k are over.

    Args:
        samples: The sample of each answer; those of one question have one id.
    """
    counts = Counter(sample.id for sample in samples).values()
    return {str(k): sum(n >= k for n in counts) for k in attempts_at(max(counts))}


def summarise(samples: Sequence[Sample], scores: Sequence[Score], primary: str) -> Attempts:
    """What several answers to each question come to.

    pass@k and maj@k are means over the questions with at least k answers. Answers vote as the
    judge sees them: all that are right agree, others where they are written alike; one without a
    usable answer says nothing. Where answers lie in the image no two agree, so there is no maj@k.

    Args:
        samples: The sample of each answer; those of one question have one id.
        scores: What each answer earned.
        primary: Name of the metric that says whether an answer is right.
    """
    places = grouped(range(len(samples)), lambda place: samples[place].id)
    values = {key: [scores[i].metrics[primary] for i in mine] for key, mine in places.items()}
    images = {key: samples[mine[0]].image for key, mine in places.items()}
    located = any(samples[mine[0]].gold.located for mine in places.values())
    ks = attempts_at(max(map(len, places.values())))
    passed = {k: {q: best_of(v, k) for q, v in values.items() if len(v) >= k} for k in ks}
    votes = {q: [_vote(scores[i], primary) for i in mine] for q, mine in places.items()}
    elected = {
        k: {q: majority_of(v, RIGHT, k) for q, v in votes.items() if len(v) >= k} for k in ks
    }
    return Attempts(
        questions=len(places),
        most=max(ks),
        fewest=min(map(len, places.values())),
        pass_at={str(k): fmean(found.values()) for k, found in passed.items()},
        pass_at_ci={str(k): ci for k, found in passed.items() if (ci := _interval(found, images))},
        majority_at={} if located else {str(k): fmean(v.values()) for k, v in elected.items()},
        majority_at_ci={}
        if located
        else {str(k): ci for k, found in elected.items() if (ci := _interval(found, images))},
        spread=fmean(map(spread, values.values())),
        always_right=sum(min(found) >= 1 for found in values.values()),
        never_right=sum(max(found) < 1 for found in values.values()),
    )


def vote(failed: bool, right: bool, answer: object) -> Hashable | None:
    """What an answer votes, see `summarise`; None where it is not usable.

    Args:
        failed: Whether there is no usable answer.
        right: Whether the judge calls it right.
        answer: The answer as it was read, as JSON gives it.
    """
    if failed or right:
        return None if failed else RIGHT
    text = answer if isinstance(answer, str) else json.dumps(answer, sort_keys=True)
    return "".join(text[:_LONGEST_VOTE].split())


def _vote(score: Score, primary: str) -> Hashable | None:
    answer = to_jsonable_python(score.answer, fallback=str, inf_nan_mode="null")
    return vote(score.failure is not None, score.metrics[primary] >= 1, answer)


def _interval(
    found: Mapping[str, float], images: Mapping[str, str | None]
) -> tuple[float, float] | None:
    """By image where all are named, else by question."""
    groups = [images[question] for question in found]
    named = None if None in groups else [str(group) for group in groups]
    if len(set(named or found)) < 2:
        return None
    interval = bootstrap_mean(list(found.values()), named)
    return interval.low, interval.high
