"""Evaluation while training, against what `vlreward-bench` says of the same answers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.aggregate import aggregate
from vlreward.frames import Frame
from vlreward.resizing import Resizing
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.training.arguments import Arguments
from vlreward.training.dry_run import perfect_answer
from vlreward.training.evaluation import Evaluation
from vlreward.training.preparing import rows_for
from vlreward.training.reward_options import task_rewards
from vlreward.training.samples import load_samples
from vlreward.training.traces import TraceFile
from vlreward.types import Completion


@pytest.fixture
def make(scenes_data: Path) -> Callable[..., Evaluation]:
    """An evaluation of a task's scenes, or of the mixture."""

    def evaluation(task: str, traces: TraceFile | None = None, **options: Any) -> Evaluation:
        file = scenes_data / f"{task}.{'yaml' if task == 'mixture' else 'jsonl'}"
        arguments = Arguments(data=str(file), frame="original_px", **options)
        samples = load_samples(str(file), task, arguments)
        tasks = ["counting", "geometry", "rec"] if task == "mixture" else [task]
        rewards = task_rewards(arguments, tasks)
        rows = rows_for(samples, arguments, rewards, Resizing(28, 784, 112 * 112), "mine")
        return Evaluation(rows, rewards, traces)

    return evaluation


def _answers(evaluation: Evaluation, right: int) -> list[str]:
    rows = [evaluation.rows[i] for i in range(len(evaluation.rows))]
    return [perfect_answer(row) if i < right else "none" for i, row in enumerate(rows)]  # type: ignore[misc]


def _scored(evaluation: Evaluation, texts: list[str], **more: Any) -> list[Any]:
    indices = list(range(len(texts)))
    rows = [evaluation.rows[i] for i in indices]
    return evaluation.score(indices, rows, texts, [[1]] * len(texts), [False] * len(texts), **more)


@pytest.mark.parametrize("task", ["counting", "rec"])
def test_it_is_what_the_benchmark_says(task: str, make: Callable[..., Evaluation]) -> None:
    """The same answers, scored for the task as it is registered, from the samples."""
    evaluation = make(task)
    texts = _answers(evaluation, right=3)
    found = evaluation.metrics(_scored(evaluation, texts))
    samples = [
        sample.model_copy(update={"frame": Frame.ORIGINAL_PX}) if sample.gold.located else sample
        for sample in evaluation.rows.dataset
    ]
    spec = get_task(task)
    report = aggregate(spec, score_batch(spec, [Completion(text) for text in texts], samples))
    assert found["acc"] == report.acc == 0.75
    assert found["reward"] == pytest.approx(report.reward)
    assert {f"{task}/{name}": value for name, value in report.metrics.items()} == pytest.approx(
        {name: value for name, value in found.items() if "/" in name and "answered" not in name}
    )
    assert found[f"{task}/answered"] == report.parse_rate


def test_a_mixture_has_the_metrics_of_each_task(make: Callable[..., Evaluation]) -> None:
    evaluation = make("mixture")
    texts = _answers(evaluation, right=6)
    found = evaluation.metrics(_scored(evaluation, texts))
    tasks = [row["task"] for row in evaluation.rows]
    right = sum(text != "none" for text in texts)
    assert found["acc"] == pytest.approx(right / len(tasks))
    assert {"rec/acc@0.5", "counting/acc", "geometry/acc"} <= found.keys()


def test_a_batch_is_judged_at_once(
    make: Callable[..., Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer at a time keeps a judge that works in parallel waiting."""
    evaluation = make("mixture")
    texts = _answers(evaluation, right=99)
    judge = type(get_task("geometry").judge)
    many = judge.many
    asked: list[int] = []

    def watched(self: Any, answers: Any, samples: Any) -> Any:
        asked.append(len(answers))
        return many(self, answers, samples)

    monkeypatch.setattr(judge, "many", watched)
    tasks = [entry.task for entry in _scored(evaluation, texts)]
    assert asked == [tasks.count("geometry")]
    assert asked[0] > 1
    assert tasks == [row["task"] for row in evaluation.rows]


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1, 3])
def test_processes_answer_every_row_in_as_many_batches(
    world_size: int, size: int, make: Callable[..., Evaluation]
) -> None:
    """They generate together; the rows that fill up are counted once."""
    evaluation = make("counting")
    shares = [list(evaluation.batches(rank, world_size, size)) for rank in range(world_size)]
    assert len({tuple(map(len, share)) for share in shares}) == 1
    answered = [index for share in shares for batch in share for index in batch]
    assert set(answered) == set(range(len(evaluation.rows)))
    texts = _answers(evaluation, right=1)
    scored = [
        entry
        for index in answered
        for entry in evaluation.score(
            [index], [evaluation.rows[index]], [texts[index]], [[1]], [False]
        )
    ]
    assert evaluation.metrics(pickle.loads(pickle.dumps(scored)))["acc"] == 0.25


def test_answers_are_traced_as_those_of_an_evaluation(
    make: Callable[..., Evaluation], tmp_path: Path
) -> None:
    traces = TraceFile(str(tmp_path))
    evaluation = make("counting", traces)
    state = SimpleNamespace(global_step=100)
    _scored(evaluation, _answers(evaluation, right=4), state=state)
    lines = [json.loads(line) for line in traces.path.read_text().splitlines()]
    assert [(line["mode"], line["step"], line["value"]) for line in lines] == [("eval", 100, 2)] * 4
    assert lines[0]["id"] == evaluation.rows[0]["id"]
