"""Data that tests of training share."""

from __future__ import annotations

from pathlib import Path

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
