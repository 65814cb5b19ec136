"""Eight ranks: real ones on CPUs, and the rehearsal of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent


def _run(command: list[str], root: Path) -> None:
    path = f"{root}{os.pathsep}{root / 'backends/trl'}"
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:3000] + done.stdout[-3000:]


def test_eight_processes_train_as_one(
    argv: Callable[..., list[str]], tmp_path: Path, root: Path, free_port: Callable[[], int]
) -> None:
    """Groups are spread over ranks: four completions of a question, two on each of two."""
    line = argv("mixture", "qwen2.5-vl", "--per_device_train_batch_size", 2, "--max_steps", 2)
    jobs = [{"argv": [*line, "--output_dir", str(tmp_path)], "out": str(tmp_path / "found.json")}]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    port = str(free_port())
    start = ["-m", "torch.distributed.run", "--nproc_per_node", "8", "--master_port", port]
    _run([*start, str(HERE / "worker.py"), str(tmp_path / "jobs.json")], root)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["world_size"] == 8
    assert len(found["checksums"]) == 8
    assert len(set(found["checksums"])) == 1
    assert len([entry for entry in found["log"] if "reward" in entry]) == 2
    lines = [path.read_text().count("\n") for path in (tmp_path / "traces").glob("rank-*.jsonl")]
    assert lines == [4] * 8


def test_a_rehearsal_runs_the_shipped_configuration(tmp_path: Path, root: Path) -> None:
    """Rank 0 of eight, each with an eighth of the batch, by FSDP2."""
    out = tmp_path / "found.json"
    script = str(root / "benchmarks/rehearse.py")
    _run([script, "--world", "8", "--model", "tiny", "--steps", "3", "--out", str(out)], root)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["world"], found["real"], found["completions_per_rank"]) == (8, False, 16)
    assert found["seconds"]["passes"] > found["seconds"]["scoring"] > 0
    assert found["device"]["passes"]["compute_ms_without_communication"] > 0
    assert found["last_step"]["grad_norm"] > 0
