"""The task of a plug-in, with golds and answers in frames, trains as the built-in ones do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backends.spots import check_traces, use_plugin, write_spots
from vlreward_trl.cli import main


def test_frames_axis_order_and_metadata_reach_the_judge_of_a_plug_in(
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_plugin(monkeypatch)
    words = [
        *("spot", "--model", str(checkpoint("qwen2.5-vl")), "--data", str(write_spots(tmp_path))),
        *("--schema", "r1-v", "--image-root", str(tmp_path), "--output_dir", str(tmp_path / "out")),
        *("--max_steps", "1", "--num_generations", "8", "--per_device_train_batch_size", "48"),
        *("--gradient_accumulation_steps", "1", "--max_completion_length", "1"),
        *("--dataloader_num_workers", "0", "--save_strategy", "no", "--disable_tqdm", "true"),
    ]
    main([*words, "--dry-run"])
    shown = capsys.readouterr().out
    assert "predicted coordinates are in norm1000, within (0, 0, 1000, 1000)" in shown
    assert "spot: the task does not say how a perfect answer is written" in shown
    assert "freeze_vision: true" in shown
    main(words)
    assert check_traces(tmp_path / "out") > 4
