"""The scripts with ZeRO-2 and ZeRO-3, two processes on CPUs: DeepSpeed as it comes from PyPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForImageTextToText

pytest.importorskip("deepspeed", reason="deepspeed is not installed: nox -s deepspeed")

from tests.tiny import PACKAGED


def _train(
    strategy: str, root: Path, work: Path, port: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a run logged, and the weights that it saved."""
    from vlreward.scenes import export_scenes

    data = export_scenes("counting", work / "data", 64)
    launcher = work / "bin" / "accelerate"
    launcher.parent.mkdir(exist_ok=True)
    module = "accelerate.commands.accelerate_cli"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    arguments = [
        *("--bf16", "true", "--max_steps", "2", "--max_completion_length", "48"),
        *("--learning_rate", "1e-4", "--save_strategy", "no", "--dataloader_num_workers", "0"),
    ]
    environment = {
        "PATH": f"{launcher.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{root}:{root / 'backends/trl'}",
        "DS_ACCELERATOR": "cpu",
        "OMP_NUM_THREADS": "1",
        "GPUS": "2",
        "STRATEGY": strategy,
        "MASTER_PORT": str(port),
        "BATCH_SIZE": "4",
        "NUM_GENERATIONS": "4",
        "COMPLETIONS_PER_DEVICE": "8",
        "MODEL": str(PACKAGED / "half"),
        "DATA": str(data),
        "IMAGE_ROOT": str(data.parent),
        "OUTPUT_DIR": str(work / strategy),
    }
    done = subprocess.run(
        [bash, str(root / "backends/trl/scripts/run_grpo_counting.sh"), *arguments],
        env=os.environ | environment,
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    state = json.loads((work / strategy / "trainer_state.json").read_text(encoding="utf-8"))
    logs = [entry for entry in state["log_history"] if "reward" in entry]
    return logs, _weights(work / strategy)


def _weights(path: Path) -> dict[str, Any]:
    model, found = AutoModelForImageTextToText.from_pretrained(
        path, dtype="float32", output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    weights: dict[str, Any] = model.state_dict()
    return weights


def test_zero_2_and_zero_3_train_alike_from_the_weights_of_the_reference(
    root: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    two, weights_two = _train("zero2", root, tmp_path, free_port())
    three, weights_three = _train("zero3", root, tmp_path, free_port())
    start = _weights(PACKAGED / "half")
    for logs in (two, three):
        assert logs[0]["kl"] == 0  # the reference model has all of its weights
        assert logs[1]["kl"] > 0
    for name in ("loss", "reward", "entropy", "grad_norm"):
        for a, b in zip(two, three):
            assert a[name] == pytest.approx(b[name], rel=0.02, abs=1e-4), name
    moved = {name for name, old in start.items() if not weights_two[name].equal(old)}
    assert len(moved) > len(start) / 2
    for name, weights in weights_two.items():
        assert weights.allclose(weights_three[name], atol=1e-3), name
