"""Data that tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.scenes import export_scenes


@pytest.fixture(scope="session")
def scenes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `TASK.jsonl` of each task, their images, and `mixture.yaml`."""
    root = tmp_path_factory.mktemp("scenes")
    entries = []
    for task in ("rec", "counting", "geometry"):
        export_scenes(task, root, 4)
        entries.append(f"  - {{json_path: {task}.jsonl, task: {task}}}\n")
    (root / "mixture.yaml").write_text("datasets:\n" + "".join(entries), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def training_options() -> Callable[..., Any]:
    """The options that `prepare_run` reads of a backend's: `training_options(output_dir)`."""

    def make(output_dir: Path, **more: Any) -> Any:
        return SimpleNamespace(
            **{
                "output_dir": str(output_dir),
                "reward_weights": None,
                "max_steps": 10,
                "num_train_epochs": 3,
                "resume_from_checkpoint": None,
                "num_generations": 2,
                "per_device_train_batch_size": 4,
                "max_completion_length": 10,
                "beta": 0.0,
                "bf16": False,
                "world_size": 1,
                **more,
            }
        )

    return make
