"""FSDP2 in two processes on CPUs: the reference model is cut as the trained one is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_reference_model_is_sharded_layer_by_layer(
    argv: Callable[..., list[str]], tmp_path: Path, torchrun: Callable[..., None]
) -> None:
    """With the losses of TRL's way, which gathers the whole of it in every process."""
    more = ("--max_steps", 2, "--beta", 0.1, "--output_dir", tmp_path / "out")
    (tmp_path / "argv.json").write_text(json.dumps(argv("rec", "qwen2.5-vl", *more)))
    torchrun(2, "shard_worker.py", tmp_path / "found.json", tmp_path / "argv.json")
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["trl"]["pieces"]["reference"] == 1  # 1.16; more where it is mended
    ours = found["ours"]["pieces"]
    assert ours["reference"] == ours["model"] > 4
    assert len(found["ours"]["logs"]) == 2
    for mine, theirs in zip(found["ours"]["logs"], found["trl"]["logs"]):
        assert all(abs(a - b) <= 1e-5 * max(1, abs(b)) for a, b in zip(mine, theirs))
