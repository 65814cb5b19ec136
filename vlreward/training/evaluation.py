"""Evaluation while training: one greedy answer to each held-out row, by the tasks' own metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from vlreward.aggregate import aggregate
from vlreward.rewards import TaskReward
from vlreward.rewards.inputs import PLACE
from vlreward.training.columns import Rows
from vlreward.training.traces import TraceFile
from vlreward.types import Score

__all__ = ["Evaluation", "Scored"]

Answers = tuple[Sequence[str], Sequence[Sequence[int]], Sequence[bool]]
_COLUMNS = ("id", "task", "solution", *PLACE)


class Scored(NamedTuple):
    """The score of the answer to one row; picklable, for processes that share an evaluation."""

    row: int
    """Index of the row."""
    task: str
    """Its task."""
    score: Score
    """What its answer earned, metrics included."""


class Evaluation:
    """Scores answers as `vlreward-bench` does: with the parser, the judge and the metrics of the
    task under the protocol of the training.

    Args:
        rows: The held-out rows.
        rewards: The rewards of the training, one for each task.
        traces: Where answers are written, as those of `eval`.
    """

    def __init__(
        self, rows: Rows, rewards: Sequence[TaskReward], traces: TraceFile | None = None
    ) -> None:
        self.rows = rows
        self.traces = traces
        self._rewards = {reward.spec.name: reward for reward in rewards}

    def batches(self, rank: int, world_size: int, size: int) -> Iterable[list[int]]:
        """The rows of one process, by index. Every process has as many batches of as many rows,
        since they generate together; rows that fill up are answered twice and counted once.
        """
        count = len(self.rows)
        mine = [i % count for i in range(rank, -(-count // world_size) * world_size, world_size)]
        left = iter(mine)
        while batch := list(islice(left, size)):
            yield batch

    def run(
        self,
        answer: Callable[[list[dict[str, Any]]], Answers],
        gather: Callable[[list[Scored]], Iterable[Scored]],
        *,
        rank: int,
        world_size: int,
        size: int,
        state: Any,
        prefix: str = "eval",
    ) -> dict[str, float]:
        """Answer all rows together with the other processes; each must call it.

        Args:
            answer: Gives the texts for rows, their token ids, and whether each was cut off.
            gather: Gives what all processes scored.
            rank: Number of this process.
            world_size: Number of processes.
            size: Rows of a batch.
            state: The trainer's state, whose `global_step` the traces note.
            prefix: What stands in front of the metrics' names.

        Returns:
            The metrics, and as `runtime` the seconds that it took.
        """
        started = time.perf_counter()
        scored = []
        for indices in self.batches(rank, world_size, size):
            rows = [self.rows[index] for index in indices]
            scored += self.score(indices, rows, *answer(rows), state)
        found = {f"{prefix}_{k}": v for k, v in self.metrics(gather(scored)).items()}
        return {**found, f"{prefix}_runtime": round(time.perf_counter() - started, 3)}

    def score(
        self,
        indices: Sequence[int],
        rows: Sequence[dict[str, Any]],
        texts: Sequence[str],
        tokens: Sequence[Sequence[int]],
        truncated: Sequence[bool],
        state: Any = None,
    ) -> list[Scored]:
        """Score the answers to the rows with these indices, and write them to the traces; see
        `run`."""
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
        columns |= {"completion_ids": tokens, "truncated": truncated, "trainer_state": state}
        found: dict[int, Score] = {}
        for task in dict.fromkeys(columns["task"]):
            scores = self._rewards[task].measured(texts, **columns)
            found |= {n: score for n, score in enumerate(scores) if score is not None}
            if self.traces is not None:
                self.traces.write(task, texts, scores, columns, mode="eval")
        return [Scored(i, row["task"], found[n]) for n, (i, row) in enumerate(zip(indices, rows))]

    def metrics(self, scored: Iterable[Scored]) -> dict[str, float]:
        """What the scores of all processes amount to.

        Returns:
            `acc`, the mean of the primary metric over all rows; `reward`, that of the weighted
            terms; and of each task every metric, and the share of `answered` rows.
        """
        by_index = {entry.row: entry for entry in scored}
        found: dict[str, float] = {"acc": 0.0, "reward": 0.0}
        for task, reward in self._rewards.items():
            scores = [entry.score for entry in by_index.values() if entry.task == task]
            if not scores:
                continue
            report = aggregate(reward.spec, scores)
            found["acc"] += report.acc * len(scores) / len(by_index)
            found["reward"] += report.reward * len(scores) / len(by_index)
            found |= {f"{task}/{name}": value for name, value in report.metrics.items()}
            found[f"{task}/answered"] = report.parse_rate
        return found
