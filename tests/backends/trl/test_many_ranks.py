"""Eight ranks: real ones on CPUs, and the rehearsal of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_eight_processes_train_as_one(
    argv: Callable[..., list[str]], tmp_path: Path, torchrun: Callable[..., None]
) -> None:
    """Groups are spread over ranks: four completions of a question, two on each of two."""
    line = argv("mixture", "qwen2.5-vl", "--per_device_train_batch_size", 2, "--max_steps", 2)
    jobs = [{"argv": [*line, "--output_dir", str(tmp_path)], "out": str(tmp_path / "found.json")}]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    torchrun(8, "worker.py", tmp_path / "jobs.json", timeout=900)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["world_size"] == 8
    assert len(found["checksums"]) == 8
    assert len(set(found["checksums"])) == 1
    assert len([entry for entry in found["log"] if "reward" in entry]) == 2
    lines = [path.read_text().count("\n") for path in (tmp_path / "traces").glob("rank-*.jsonl")]
    assert lines == [4] * 8


def test_a_rehearsal_runs_the_shipped_configuration(
    tmp_path: Path, root: Path, python: Callable[..., None]
) -> None:
    """Rank 0 of eight, each with an eighth of the batch, by FSDP2."""
    out = tmp_path / "found.json"
    script = root / "benchmarks/rehearse.py"
    python(script, "--world", 8, "--model", "tiny", "--steps", 3, "--out", out, timeout=900)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["world"], found["real"], found["completions_per_rank"]) == (8, False, 16)
    assert found["seconds"]["passes"] > found["seconds"]["scoring"] > 0
    assert found["device"]["passes"]["compute_ms_without_communication"] > 0
    assert found["last_step"]["grad_norm"] > 0
