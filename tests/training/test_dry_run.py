"""What a dry run says of data, frames and rewards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from vlreward.data import Dataset
from vlreward.frames import Frame
from vlreward.resizing import Resizing
from vlreward.training.arguments import Arguments
from vlreward.training.dry_run import (
    data_text,
    frame_text,
    memory_text,
    perfect_answer,
    rewards_text,
    sections,
)
from vlreward.training.memory import estimate
from vlreward.training.models import ModelSize
from vlreward.training.preparing import (
    columns_for,
    load_samples,
    reward_functions,
    task_rewards,
    tasks_of,
)
from vlreward.training.rewards import TermReward

Prepared = tuple[Dataset, list[dict[str, Any]], list[TermReward]]


def _prepare(file: Path, task: str, frame: str = "input_px", **options: Any) -> Prepared:
    arguments = Arguments(data=str(file), image_root=str(file.parent), frame=frame, **options)
    samples = load_samples(str(file), task, arguments)
    rewards = task_rewards(arguments, sorted(tasks_of(samples.provenance)))
    resizing = Resizing(28, 56 * 56, 112 * 112)
    columns = columns_for(samples, arguments, rewards, resizing, Frame(frame))
    rows = [columns.row(sample) for sample in samples]
    directory = str(file.parent / "out")
    functions = reward_functions(rewards, arguments, output_dir=directory, rank=0, weights=None)
    return samples, rows, functions


@pytest.mark.parametrize("frame", ["original_px", "input_px", "norm1000", "norm999", "norm1"])
def test_the_perfect_answer_earns_everything_in_every_frame(frame: str, scenes_data: Path) -> None:
    _, rows, (iou, form) = _prepare(scenes_data / "rec.jsonl", "rec", frame, traces=False)
    for row in rows:
        answer = perfect_answer(row)
        columns = {name: [value] for name, value in row.items()}
        assert iou([answer], **columns)[0] == pytest.approx(1, abs=1e-6)
        assert form([answer], **columns) == [1.0]
        assert row["frame"] == frame


def test_rewards_of_each_task_without_a_trace(scenes_data: Path) -> None:
    samples, rows, functions = _prepare(scenes_data / "mixture.yaml", "mixture")
    lines = rewards_text(samples, rows, functions).splitlines()
    assert [line.partition(" answer: ")[0] for line in lines] == [
        *("counting, perfect", "counting, empty", "geometry, perfect", "geometry, empty"),
        *("rec, perfect", "rec, empty"),
    ]
    assert lines[0].startswith("counting, perfect answer: 2 = exact 1, format 1  <think>")
    assert lines[5].startswith("rec, empty answer: 0 = iou 0, format 0  (no_answer)")
    assert not (scenes_data / "out").exists()


def test_a_protocol_of_whole_numbers_has_a_perfect_answer_too(scenes_data: Path) -> None:
    file = scenes_data / "rec.jsonl"
    samples, rows, functions = _prepare(file, "rec", "norm1000", protocol="vlm-r1")
    (perfect, _) = rewards_text(samples, rows, functions).splitlines()
    assert re.search(r"perfect answer: 0\.9\d* = iou 0\.9.*\[\d+, \d+, \d+, \d+\]", perfect)


def test_data_and_frame_are_named(scenes_data: Path) -> None:
    samples, rows, _ = _prepare(scenes_data / "mixture.yaml", "mixture")
    text = data_text(samples)
    assert text.startswith(f"12 rows of {scenes_data / 'mixture.yaml'} (mixture, mixed)")
    assert text.count(": 4 rows, ") == 3
    frames = {row["task"]: frame_text(row) for row in rows}
    assert "predicted boxes are in input_px: (x1, y1, x2, y2) within (0, 0, " in frames["rec"]
    assert frames["counting"].endswith("the task 'counting' has no boxes")


def test_memory_and_sections() -> None:
    size = ModelSize(2_000_000, 500_000, 0, 2, 8, 16, 32, 100)
    own = estimate(
        size,
        strategy="ddp",
        world_size=2,
        prompt_tokens=20,
        completion_tokens=10,
        completions=1,
        generated=1,
        beta=0.0,
        bf16=False,
    )
    text = memory_text(size, own, words=12, image=8, strategy="ddp", world_size=2)
    assert text.splitlines()[:2] == [
        "2.0 M parameters, 0.5 M of them vision; 20 tokens in the first prompt, 8 of them image",
        "ddp, 2 process(es):",
    ]
    assert text.splitlines()[-1].startswith("total")
    assert sections([("a", "b\n"), ("c", "d")]) == "# a\nb\n\n# c\nd"
