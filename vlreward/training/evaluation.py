"""Evaluating during training: what greedy answers to held-out rows earn by the task's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vlreward.training.rewards import SharedScores, TermReward

__all__ = ["ACCURACY", "Evaluation"]

ACCURACY = "acc"
"""Name of the primary metric of every task, by which checkpoints can be told apart."""
_APART = ("prompt", "image")


class Evaluation:
    """Gives the numbers of answers by name, to be averaged over the answers that have them.

    `acc` is the task's primary metric, `reward` the weighted sum of the terms; the others are
    `TASK/METRIC`, and `answered/TASK`, 1 where there was an answer.

    Args:
        rewards: The reward functions of the run, as `vlreward.training.rewards` makes them.
    """

    def __init__(self, rewards: Sequence[TermReward]) -> None:
        self.shared = [
            SharedScores(
                replace(shared.reward, metrics=True), sorted(shared.stop_ids), shared.traces
            )
            for shared in {id(function.shared): function.shared for function in rewards}.values()
        ]
        for shared in self.shared:
            shared.mode = "eval"

    def __call__(
        self,
        rows: Sequence[dict[str, Any]],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[dict[str, float]]:
        """The numbers of each completion.

        Args:
            rows: A row of `vlreward.training.columns` for each completion.
            completions: The answers.
            completion_ids: Their tokens, by which truncated ones are known.
            columns: What else reward functions are passed, such as `trainer_state`.
        """
        found: list[dict[str, float]] = [{} for _ in rows]
        names = [name for name in (rows[0] if rows else ()) if name not in _APART]
        given = {name: [row[name] for row in rows] for name in names}
        solution = given.pop("solution", [])
        if completion_ids is not None:
            given["completion_ids"] = list(completion_ids)
        for shared in self.shared:
            spec = shared.reward.spec
            scores = shared.scores(spec.terms[0].name, completions, solution, **given, **columns)
            for numbers, score in zip(found, scores, strict=True):
                if score is None:
                    continue
                numbers |= {f"{spec.name}/{name}": value for name, value in score.metrics.items()}
                if spec.metrics:
                    numbers[ACCURACY] = score.metrics[spec.primary]
                numbers["reward"] = score.value
                numbers[f"answered/{spec.name}"] = float(score.failure is None)
        return found
