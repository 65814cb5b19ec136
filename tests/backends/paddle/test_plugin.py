"""The task of a plug-in, with golds and answers in frames, trains as the built-in ones do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.tiny import write_data
from tests.backends.spots import check_traces, use_plugin, write_spots
from vlreward_paddle.arguments import parse
from vlreward_paddle.cli import main
from vlreward_paddle.preparing import prepare
from vlreward_paddle.shim import TrainerCallback
from vlreward_paddle.training import build_trainer


def test_frames_axis_order_and_metadata_reach_the_judge_of_a_plug_in(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plugin(monkeypatch)
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


def test_rewards_and_callbacks_of_a_user_take_part(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option and by argument, each with its weight, beside weights of the terms."""
    data = write_data(tmp_path, "counting", 4)
    (tmp_path / "mine.py").write_text(
        "def two(completions, **_):\n    return [2.0] * len(completions)\n"
    )
    monkeypatch.chdir(tmp_path)
    run = prepare(
        parse(
            [
                *("counting", "--model", str(model), "--data", str(data), "--image-root", "images"),
                *("--output_dir", "out", "--max_steps", "1", "--num_generations", "2"),
                *("--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "1"),
                *("--max_completion_length", "3", "--save_strategy", "no", "--beta", "0"),
                *("--rewards", "mine:two=0.5", "--reward_weights", "0", "0"),
            ]
        )
    )
    seen: list[float] = []

    def three(completions: list[Any], **_: Any) -> list[float]:
        return [3.0] * len(completions)

    class Notes(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *args: Any, logs: Any, **kwargs: Any) -> None:
            seen.extend(value for name, value in logs.items() if name == "reward")

    trainer = build_trainer(run, rewards=[three], callbacks=[Notes()])
    trainer.train()
    assert seen == [0.5 * 2 + 3]
    assert trainer.last_metrics["rewards/two/mean"] == 2
    assert trainer.last_metrics["rewards/three/mean"] == 3
