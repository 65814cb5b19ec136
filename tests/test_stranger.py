"""A stranger's plug-in, written with CONTRIBUTING.md alone, through everything by command line.

`tests/plugin_intervals` holds a task (temporal intervals) and a suite. It is built and installed
for real beside the project, which is then asked for them by name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, str]:
    """The environment of a process that has the plug-in installed."""
    target = tmp_path_factory.mktemp("intervals")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target),
         str(root / "tests" / "plugin_intervals")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(target), str(root), str(root / "backends" / "trl")])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "160", "TERM": "dumb"}


@pytest.fixture
def run(installed: dict[str, str], tmp_path: Path) -> Run:
    """Runs a module in a fresh process and gives what it printed."""

    def _run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", f"from {module} import app; app()", *map(str, arguments)],
            capture_output=True, text=True, check=False, env=installed, cwd=tmp_path,
        )  # fmt: skip

    return _run


def _completions(path: Path, shift: int) -> Path:
    rows = [
        {
            "id": f"{i}",
            "question": f"When does event {i} happen?",
            "gold": [i, i + 10],
            "completion": f"<think>late</think><answer>[{i + shift * (i % 2)}, {i + 10}]</answer>",
        }
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_it_is_short(root: Path) -> None:
    path = root / "tests" / "plugin_intervals" / "vlreward_intervals.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


def test_the_benchmark_knows_it_by_name(run: Run, tmp_path: Path) -> None:
    """--completions, results, rescore, compare, report and doctor."""
    bench, main = "vlreward.bench.cli", "vlreward.cli"
    for name, shift in (("late", 8), ("early", 2)):
        file = _completions(tmp_path / f"{name}.jsonl", shift)
        done = run(bench, "moments", "--completions", file, "--out", name)
        assert done.returncode == 0, done.stderr
        assert "moments" in done.stdout
    results = json.loads((tmp_path / "late" / "results.json").read_text(encoding="utf-8"))
    summary = results["results"]["moments"]
    assert (summary["acc"], summary["primary"]) == (0.5, "R1@0.5")
    assert summary["metrics"]["tiou"] == pytest.approx((1 + 0.2) / 2)

    done = run(main, "rescore", "late", "--out", "again")
    assert done.returncode == 0, done.stderr
    assert "50.00%" in done.stdout
    done = run(main, "compare", "late", "early")
    assert done.returncode == 0, done.stderr
    assert "+50.00%" in done.stdout
    done = run(main, "report", "late", "early", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "When does event 3 happen?" in page
    assert "R1@0.5" in page
    done = run(main, "doctor", "late.jsonl", "--task", "temporal")
    assert done.returncode == 0, done.stderr
    assert "mean reward of the longest third" in done.stdout


REWARD = """
from vlreward.data import load
from vlreward.golds import pack
from vlreward.rewards import TaskReward
reward = TaskReward("temporal", terms=("tiou",))
texts = ["<answer>[5, 15]</answer>", "<answer>0 to 10</answer>", "never"]
assert [round(r, 3) for r in reward(texts, solution=["[0, 10]"] * 3)] == [0.333, 1.0, 0.0]
(sample,) = load("moments.jsonl")
assert sample.task == "temporal" and sample.target == (3, 9)
assert reward(["<answer>[3, 9]</answer>"], solution=[pack(sample)]) == [1.0]
mixed = dict(solution=[[0, 10], "4"], task=["temporal", "counting"])
assert reward(["<answer>[0, 10]</answer>"] * 2, **mixed) == [1.0, None]
print("rewarded")
"""


def test_rewards_files_and_packed_golds_know_it(installed: dict[str, str], tmp_path: Path) -> None:
    row = {"query": "When does it rain?", "start": 3, "end": 9}
    (tmp_path / "moments.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", REWARD],
        capture_output=True, text=True, check=False, env=installed, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "rewarded\n", done.stderr
