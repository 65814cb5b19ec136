"""A stranger's task (`tests/plugin_intervals`) trains by its name, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.plugins import install


def test_a_plugin_task_trains_one_step(
    checkpoint: Callable[[str], Path], scenes_data: Path, tmp_path: Path, root: Path
) -> None:
    images = sorted(path.name for path in (scenes_data / "images").iterdir())[:8]
    rows = [
        {"query": f"When does event {i} happen?", "start": i, "end": i + 10, "frames": image}
        for i, image in enumerate(images)
    ]
    data = tmp_path / "moments.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [
        *("temporal", "--model", checkpoint("qwen2.5-vl"), "--data", data),
        *("--image-root", scenes_data / "images", "--output_dir", tmp_path / "out"),
        *("--max_steps", 1, "--num_generations", 4, "--max_completion_length", 2),
        *("--per_device_train_batch_size", 8, "--gradient_accumulation_steps", 1),
        *("--dataloader_num_workers", 0, "--disable_tqdm", "true"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", "from vlreward_trl.cli import main; main()", *map(str, command)],
        capture_output=True, text=True, check=False,
        env=install(root / "tests" / "plugin_intervals", tmp_path / "plugin"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    traces = (tmp_path / "out/traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(traces) == 8
    assert {"tiou", "format"} <= set(json.loads(traces[0])["terms"])
