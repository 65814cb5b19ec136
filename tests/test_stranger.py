"""A stranger's plug-in, written with CONTRIBUTING.md alone, through everything by command line.

`tests/plugin_intervals` holds a task (temporal intervals) and a suite. It is built and installed
for real beside the project, which is then asked for them by name.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins import commands, install, python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, str]:
    """The environment of a process that has the plug-in installed."""
    return install(root / "tests" / "plugin_intervals", tmp_path_factory.mktemp("intervals"))


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


def test_the_benchmark_knows_it_by_name(installed: dict[str, str], tmp_path: Path) -> None:
    """--completions, results, rescore, compare, report and doctor."""
    bench, main = "vlreward.bench.cli", "vlreward.cli"
    late = _completions(tmp_path / "late.jsonl", 8)
    early = _completions(tmp_path / "early.jsonl", 2)
    ran, _, rescored, compared, _, examined = commands(
        installed,
        tmp_path,
        [bench, "moments", "--completions", late, "--out", "late"],
        [bench, "moments", "--completions", early, "--out", "early"],
        [main, "rescore", "late", "--out", "again"],
        [main, "compare", "late", "early"],
        [main, "report", "late", "early", "--html", "page.html"],
        [main, "doctor", "late.jsonl", "--task", "temporal"],
    )
    assert "moments" in ran
    results = json.loads((tmp_path / "late" / "results.json").read_text(encoding="utf-8"))
    summary = results["results"]["moments"]
    assert (summary["acc"], summary["primary"]) == (0.5, "R1@0.5")
    assert summary["metrics"]["tiou"] == pytest.approx((1 + 0.2) / 2)
    assert "50.00%" in rescored
    assert "+50.00%" in compared
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "When does event 3 happen?" in page
    assert "R1@0.5" in page
    assert "mean reward of the longest third" in examined


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
    assert python(REWARD, installed, cwd=tmp_path) == "rewarded\n"
