"""What a dry run says of data, frames and rewards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.resizing import Resizing
from vlreward.training.arguments import Arguments, Options
from vlreward.training.dry_run import (
    data_text,
    describe,
    frame_text,
    perfect_answer,
    rewards_text,
)
from vlreward.training.models import ModelSize
from vlreward.training.preparing import Run, prepare_run

_Prepare = Callable[..., Run]


@pytest.fixture
def prepare(training_options: Callable[..., Any]) -> _Prepare:
    """A run of a file: `prepare(file, task, frame, reward_weights=..., **arguments)`."""
    return partial(_prepare, training_options)


def _prepare(
    training_options: Callable[..., Any],
    file: Path,
    task: str,
    frame: str = "input_px",
    reward_weights: list[float] | None = None,
    **options: Any,
) -> Run:
    arguments = Arguments(data=str(file), image_root=str(file.parent), frame=frame, **options)
    training = training_options(file.parent / "out", reward_weights=reward_weights)
    resizing = Resizing(28, 56 * 56, 112 * 112)
    made = Options(task, arguments, training)
    return prepare_run(
        made, None, None, resizing, model_type="mine", rank=0, local_rank=0, questions=2
    )


@pytest.mark.parametrize("order", ["xy", "yx"])
@pytest.mark.parametrize("frame", ["original_px", "input_px", "norm1000", "norm999", "norm1"])
def test_the_perfect_answer_earns_everything_in_every_frame_and_order(
    frame: str, order: str, scenes_data: Path, prepare: _Prepare
) -> None:
    run = prepare(scenes_data / "rec.jsonl", "rec", frame, traces=False, axis_order=order)
    iou, form = run.terms
    for row in run.rows:
        answer = perfect_answer(row)
        columns = {name: [value] for name, value in row.items()}
        assert iou([answer], **columns)[0] == pytest.approx(1, abs=1e-6)
        assert form([answer], **columns) == [1.0]
        assert row["frame"] == frame


@pytest.mark.parametrize("task", ["rec", "detection", "pointing"])
def test_the_perfect_answer_of_a_model_that_writes_y_first_earns_everything(
    task: str, tmp_path: Path, prepare: _Prepare
) -> None:
    """It was written x first, and earned an IoU of 0.25."""
    Image.new("RGB", (100, 400)).save(tmp_path / "i.png")
    box = [10, 300, 60, 380]
    gold = {"rec": box, "detection": [{"bbox_2d": box, "label": "cup"}], "pointing": {"box": box}}
    row = {"image": "i.png", "problem": "the cup", "what": "the cup", "solution": gold[task]}
    (tmp_path / "x.json").write_text(json.dumps([row, row]))
    columns = "expression=what,question=problem,gold=solution,image=image"
    run = prepare(tmp_path / "x.json", task, axis_order="yx", columns=columns)
    reward, best = run.terms[0].shared.reward, sum(f.weight for f in run.terms)
    (score,) = reward.scores([perfect_answer(run.rows[0])], [run.rows[0]["solution"]])
    assert score is not None
    assert score.value == pytest.approx(best, abs=1e-6)
    assert f"{task}, perfect answer: {best:g} = " in rewards_text(run)


def test_rewards_of_each_task_without_a_trace(scenes_data: Path, prepare: _Prepare) -> None:
    run = prepare(scenes_data / "mixture.yaml", "mixture")
    lines = rewards_text(run).splitlines()
    assert [line.partition(" answer: ")[0] for line in lines] == [
        *("counting, perfect", "counting, empty", "geometry, perfect", "geometry, empty"),
        *("rec, perfect", "rec, empty"),
    ]
    assert lines[0].startswith("counting, perfect answer: 2 = exact 1, format 1  <think>")
    assert lines[5].startswith("rec, empty answer: 0 = iou 0, format 0  (no_answer)")
    assert not (scenes_data / "out").exists()


def test_a_protocol_of_whole_numbers_has_a_perfect_answer_too(
    scenes_data: Path, prepare: _Prepare
) -> None:
    file = scenes_data / "rec.jsonl"
    run = prepare(file, "rec", "norm1000", protocol="vlm-r1")
    (perfect, _) = rewards_text(run).splitlines()
    assert re.search(
        r"perfect answer: 1\.9\d* = iou 0\.9\d*, format 1 .*\[\d+, \d+, \d+, \d+\]", perfect
    ), "both of VLM-R1's rewards, of weight 1 each"


def test_data_and_frame_are_named(scenes_data: Path, prepare: _Prepare) -> None:
    run = prepare(scenes_data / "mixture.yaml", "mixture")
    text = data_text(run.samples)
    assert text.startswith(f"12 rows of {scenes_data / 'mixture.yaml'} (mixture, mixed)")
    assert text.count(": 4 rows, ") == 3
    frames = {row["task"]: frame_text(row) for row in run.rows}
    assert "predicted coordinates are in input_px, within (0, 0, " in frames["rec"]
    assert frames["counting"].endswith("the task 'counting' has no coordinates")


def test_reward_weights_are_the_weights_of_dry_run_and_traces(
    scenes_data: Path, prepare: _Prepare
) -> None:
    """`--reward_weights` was TRL's alone: a right answer earned 2 here, and 1 in training."""
    run = prepare(scenes_data / "mixture.yaml", "mixture", reward_weights=[1, 0, 1, 1, 3, 0.5])
    assert "counting, perfect answer: 1 = exact 1, format 1" in rewards_text(run)
    assert [reward.weight for reward in run.terms] == [1, 0, 1, 1, 3, 0.5]
    row = run.rows[next(i for i, row in enumerate(run.rows) if row["task"] == "rec")]
    columns = {name: [value] for name, value in row.items() if name != "solution"}
    rec = run.task_rewards[-1]
    (score,) = rec.scores([perfect_answer(row)], [row["solution"]], **columns)
    assert score is not None
    assert score.value == pytest.approx(3.5)


def test_memory_and_the_whole_text(scenes_data: Path, prepare: _Prepare) -> None:
    run = prepare(scenes_data / "rec.jsonl", "rec")
    whole = describe(
        run,
        {"training": {"beta": 0}},
        "others: default",
        prompt="Q",
        words=12,
        image=8,
        size=ModelSize(2_000_000, 500_000, 0, 2, 8, 16, 32, 100),
        strategy="single",
        weight_bytes=4,
        spreads=("ddp",),
    )
    assert [line for line in whole.splitlines() if line.startswith("# ")] == [
        *("# configuration", "# data", "# steps", f"# prompt of {run.samples[0].id}", "# frame"),
        *("# rewards", "# memory on each GPU, estimated"),
    ]
    memory = whole.rpartition("# memory on each GPU, estimated\n")[2].splitlines()
    assert memory[:2] == [
        "2.0 M parameters, 0.5 M of them vision; 20 tokens in the first prompt, 8 of them image",
        "single, 1 process(es):",
    ]
    assert [line.split()[0] for line in memory[-2:]] == ["total", "ddp"]
    assert "task: rec\n" in whole
    assert "  beta: 0\n" in whole
    assert "completions_per_step: 4\n" in whole
    assert "(others: default)\n\n# data\n4 rows of " in whole
    assert f"# prompt of {run.samples[0].id}\nQ\n\n# frame\n" in whole
