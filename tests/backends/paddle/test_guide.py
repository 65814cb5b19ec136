"""The guide's way from synthetic data to a number, word for word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

_ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(block: str, directory: Path) -> str:
    """What the commands print to the standard output; they must not say anything to complain of."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{_ROOT}:{_ROOT}/backends/paddle",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
    return done.stdout


def test_the_commands_of_the_guide_end_in_a_number(tmp_path: Path) -> None:
    guide = (_ROOT / "docs/train-paddle.md").read_text(encoding="utf-8")
    section = guide.split("## From synthetic data to a number\n")[1].split("\n## ")[0]
    blocks = _BLOCK.findall(section)
    assert len(blocks) == 3
    (tmp_path / "vlreward").symlink_to(_ROOT / "vlreward")
    dry, full, adapter = (run(block, tmp_path) for block in blocks)
    assert "# memory on each GPU, estimated" in dry

    state = json.loads((tmp_path / "outputs/full/trainer_state.json").read_text())
    evaluated = [row for row in state["log_history"] if "eval_acc" in row]
    assert [row["step"] for row in evaluated] == [0, 10]
    assert evaluated[0]["eval_acc"] == pytest.approx(0.35, abs=0.02)
    assert evaluated[1]["eval_acc"] > evaluated[0]["eval_acc"] + 0.05
    assert "measure it: vlreward-bench scenes_count_test --engine paddle" in full
    assert f"{evaluated[1]['eval_acc']:.2%}" in full, "the benchmark's number is the evaluation's"

    assert "done: 4 steps" in adapter
    assert (tmp_path / "outputs/lora/adapter/adapter_config.json").is_file()
    assert re.search(r"scenes_count_test\[20\]\D+\d+\.\d+%", adapter)
