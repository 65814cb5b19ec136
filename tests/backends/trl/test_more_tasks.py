"""Detection and pointing train by their names, like any other task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vlreward.scenes import MORE_TASKS, export_scenes
from vlreward.scenes.seeds import TaskName
from vlreward_trl.cli import main


@pytest.mark.parametrize("task", MORE_TASKS)
def test_a_step(
    task: TaskName,
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [
        *(task, "--model", str(checkpoint("qwen2.5-vl"))),
        *("--data", str(export_scenes(task, tmp_path, 8)), "--image-root", str(tmp_path)),
        *("--output_dir", str(tmp_path / "out"), "--max_steps", "1", "--num_generations", "4"),
        *("--max_completion_length", "2", "--per_device_train_batch_size", "8"),
        *("--gradient_accumulation_steps", "1", "--dataloader_num_workers", "0"),
        *("--save_strategy", "no", "--disable_tqdm", "true"),
    ]
    main([*words, "--dry-run"])
    shown = capsys.readouterr().out
    assert f"{task}, perfect answer: 2 = " in shown
    assert f"{task}, empty answer: 0 = " in shown
    assert "predicted coordinates are in input_px" in shown
    main(words)
    traces = (tmp_path / "out/traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(traces) == 8
    assert all("format" in json.loads(trace)["terms"] for trace in traces)
