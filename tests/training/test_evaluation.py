"""What an evaluation measures is what the benchmark would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlreward.aggregate import aggregate
from vlreward.rewards import TaskReward
from vlreward.training.evaluation import Evaluation
from vlreward.training.rewards import term_rewards

_ROWS = [
    {"task": task, "solution": solution, "frame": frame, "image_size": [100, 80],
     "input_size": [100, 80], "id": str(i), "prompt": "?", "image": object()}
    for i, (task, solution, frame) in enumerate(
        [("counting", 3, None), ("rec", [10, 10, 50, 50], "original_px"), ("counting", 5, None)]
    )
]  # fmt: skip
_ANSWERS = [
    "<think>one two three</think><answer>3</answer>",
    "<think>there</think><answer>[10, 10, 50, 42]</answer>",
    "no idea",
]


def test_each_row_has_the_numbers_of_its_task() -> None:
    rewards = term_rewards([TaskReward("counting"), TaskReward("rec")])
    first, second, third = Evaluation(rewards)(_ROWS, _ANSWERS)
    assert first["acc"] == first["answered/counting"] == 1
    assert first["reward"] == 2
    assert second["acc"] == 1
    assert second["rec/iou"] == pytest.approx(0.8)
    assert not any(name.startswith("counting") for name in second)
    assert third["acc"] == third["answered/counting"] == third["reward"] == 0


@pytest.mark.parametrize("task", ["counting", "rec"])
def test_means_are_those_of_the_benchmark(task: str) -> None:
    reward = TaskReward(task)
    rows = [row for row in _ROWS if row["task"] == task]
    answers = [a for a, row in zip(_ANSWERS, _ROWS) if row["task"] == task]
    found = Evaluation(term_rewards([reward]))(rows, answers)
    columns: dict[str, Any] = {k: [r[k] for r in rows] for k in ("image_size", "frame")}
    scores = replace(reward, metrics=True).scores(
        answers, [row["solution"] for row in rows], **columns
    )
    report = aggregate(
        replace(reward, metrics=True).spec, [score for score in scores if score is not None]
    )
    for name, mean in {"acc": report.acc, "reward": report.reward}.items():
        assert sum(numbers[name] for numbers in found) / len(found) == pytest.approx(mean)
    for name, mean in report.metrics.items():
        values = [n[f"{task}/{name}"] for n in found if f"{task}/{name}" in n]
        assert sum(values) / len(values) == pytest.approx(mean)


def test_no_rows_have_no_numbers() -> None:
    assert Evaluation(term_rewards([TaskReward("counting")]))([], []) == []
