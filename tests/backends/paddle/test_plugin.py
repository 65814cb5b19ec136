"""The task of a plug-in, with golds and answers in frames, trains as the built-in ones do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.tiny import write_processor
from tests.backends.spots import check_traces, use_plugin, write_spots
from vlreward_paddle.cli import main


def test_frames_axis_order_and_metadata_reach_the_judge_of_a_plug_in(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plugin(monkeypatch)
    model = write_processor(Path(shutil.copytree(checkpoint(), tmp_path / "model")))
    main(
        [
            *("spot", "--model", str(model), "--data", str(write_spots(tmp_path))),
            *("--schema", "r1-v", "--image-root", str(tmp_path)),
            *("--output_dir", str(tmp_path / "out"), "--max_steps", "1"),
            *("--num_generations", "32", "--per_device_train_batch_size", "192"),
            *("--gradient_accumulation_steps", "1", "--max_completion_length", "2"),
            *("--save_strategy", "no"),
        ]
    )
    assert check_traces(tmp_path / "out") > 4
