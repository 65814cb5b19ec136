"""The result of one comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["OUTCOMES", "Outcome", "Verdict"]

Outcome = Literal[
    "correct",
    "wrong",
    "unparsable_gold",
    "unparsable_answer",
    "too_complex",
    "timeout",
    "worker_died",
]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""Every outcome, in the order in which a report lists them."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer equals its gold, and how that was found.

    Only ``correct`` and ``wrong`` are statements about mathematics. What the others are worth (0,
    or no reward at all) is for the caller to say.

    Attributes:
        outcome: One of `OUTCOMES`.
        tier: 1 for the exact evaluator in this process, 2 for the cache, 3 for a worker process.
        detail: A short reason, at most 200 characters, empty where the outcome says it all.
    """

    outcome: Outcome
    tier: Literal[1, 2, 3]
    detail: str = ""

    @property
    def correct(self) -> bool:
        """Whether the outcome is ``correct``."""
        return self.outcome == "correct"
