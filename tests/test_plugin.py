"""A plug-in package, built and installed for real, adds a task, reward, parser and engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.plugins import commands, environment, install, python
from tests.runs import results

BENCH, VLREWARD = "vlreward.bench.cli", "vlreward.cli"

CODE = """
from vlreward.engines.base import ENGINES
from vlreward.parsers import PARSERS
from vlreward.rewards import REWARDS, TaskReward
from vlreward.tasks import TASKS, get_task
import sys
assert "vlreward_touch" not in sys.modules, "loaded before it was asked for"
assert get_task("touch").version == "1"
texts = ["<answer>3 4</answer>", "<answer>30 40</answer>", "?"]
assert REWARDS.get("touch_reward")(texts, solution=[[0, 0]] * 3) == [1.0, 0.0, 0.0]
mixed = dict(solution=[[0, 0], [0, 0, 1, 1]], task=["touch", "rec"])
assert TaskReward("touch")(texts[:2], **mixed) == [1.0, None]
assert PARSERS.get("two-numbers")("<answer>3 4</answer>").value == (3.0, 4.0)
assert "parrot" in ENGINES.names() and "touch" in TASKS.names()
print("plugged in")
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, str]:
    """The environment of a process that has the plug-in installed."""
    return install(root / "tests" / "plugin", tmp_path_factory.mktemp("plugin"))


def test_an_installed_plugin_is_found_by_its_entry_points(plugin: dict[str, str]) -> None:
    assert python(CODE, plugin) == "plugged in\n"


def test_a_broken_plugin_is_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[vlreward.tasks]\nbad = no_such_module:x\n")
    code = "from vlreward.tasks import TASKS\n"
    code += "try: TASKS.get('bad')\nexcept Exception as error: print(error)"
    said = python(code, environment(tmp_path))
    assert "the task 'bad' of the plug-in 'no_such_module:x'" in said
    assert "mend or uninstall the plug-in" in said


SPOTS = [
    ("a", [500, 250], "<answer>[503, 252]</answer>", 10),
    ("b", [500, 250], "<answer>[530, 260]</answer>", 10),
    ("c", [100, 900], "nowhere", 10),
]


def _row(name: str, gold: list[int], completion: str, radius: float) -> dict[str, Any]:
    place = {"task": "spot", "x": gold[0], "y": gold[1], "frame": "norm1000"}
    return {"id": name, "task": "spot", "gold": place, "completion": completion,
            "expression": name, "image_size": [640, 480], "frame": "norm1000",
            "metadata": {"radius": radius}}  # fmt: skip


@pytest.fixture(scope="module")
def spotted(plugin: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of the plug-in's suite, and what commands made of it."""
    folder = tmp_path_factory.mktemp("spotted")
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(_row(*spot)) + "\n" for spot in SPOTS))
    *_, compared, _ = commands(
        plugin,
        folder,
        [BENCH, "spots", "-c", rows, "-o", "run", "--controls", "--html"],
        [VLREWARD, "rescore", "run", "-o", "again", "--frame", "original_px"],
        [VLREWARD, "rescore", "run", "-o", "same"],
        [VLREWARD, "compare", "run", "again"],
        [VLREWARD, "report", "run", "again", "--html", "page.html"],
    )
    (folder / "compared").write_text(compared, encoding="utf-8")
    return folder


def test_a_task_with_golds_in_a_frame_runs_by_the_command_line_alone(spotted: Path) -> None:
    found, again = results(spotted / "run"), results(spotted / "again")
    assert found["spots"]["acc"] == pytest.approx(1 / 3)
    assert found["spots"]["failures"] == {"no_answer": 1}
    assert (found["spots"]["primary"], found["spots"]["frame"]) == ("hit", "norm1000")
    assert found["spots@middle"]["acc"] == 0
    assert again["spots"]["frame"] == "original_px"
    assert again["spots"]["acc"] == 0
    assert results(spotted / "same")["spots"]["metrics"] == found["spots"]["metrics"]
    assert "-33.33%" in (spotted / "compared").read_text(encoding="utf-8")
    text = (spotted / "page.html").read_text(encoding="utf-8")
    assert "Samples by nearness" in text
    assert '"gs":[["point",[320.0,120.0],"\\u003cb\\u003espot"]]' in text
    assert '"as":[["circle",[321.92,120.96,10],"\\u003cb\\u003espot"]]' in text


def test_its_engine_answers_its_suite(plugin: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    given = [
        {"image": "a.png", "problem": name, "radius": radius,
         "solution": [gold[0] * 0.64, gold[1] * 0.48]}
        for name, gold, _, radius in SPOTS
    ]  # fmt: skip
    rows.write_text("".join(json.dumps(row) + "\n" for row in given))
    args = ["spots", "--engine", "parrot", "--model", "x", "--frame", "norm1000"]
    args += ["--engine-options", '{"says": "<answer>[503, 252]</answer>"}', "--data", str(rows)]
    commands(plugin, tmp_path, [BENCH, *args, "-o", "run"])
    found = results(tmp_path / "run")["spots"]
    assert found["acc"] == pytest.approx(2 / 3)
    assert found["engine"]["says"] == "<answer>[503, 252]</answer>"


def test_without_the_plugin_its_run_is_still_shown(spotted: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    commands(environment(), spotted, [VLREWARD, "report", "run", "--html", page])
    assert '"g":"{\\"x\\": 500, ' in page.read_text(encoding="utf-8")


def test_rows_of_several_tasks_are_scored_each_by_its_own(
    plugin: dict[str, str], tmp_path: Path
) -> None:
    touches = [
        {"id": "t1", "task": "touch", "gold": [0, 0], "completion": "<answer>3 4</answer>"},
        {"id": "t2", "task": "touch", "gold": [0, 0], "completion": "<answer>30 4</answer>"},
    ]
    rows = tmp_path / "rows.jsonl"
    mixed = [touches[0], *(_row(*spot) for spot in SPOTS), touches[1]]
    rows.write_text("".join(json.dumps(row) + "\n" for row in mixed))
    run = tmp_path / "run"
    output, *_ = commands(
        plugin,
        tmp_path,
        [BENCH, "spots_and_touches", "-c", rows, "-o", "run", "--html"],
        [VLREWARD, "rescore", "run", "-o", "again"],
        [VLREWARD, "report", "run", "again", "--html", "page.html"],
    )
    assert "spot 33.33% of 3, touch 50.00% of 2" in output
    found = results(run)["spots_and_touches"]
    assert found["acc"] == pytest.approx(2 / 5)
    assert found["primary"] == "acc"
    parts = {name: (part["n"], part["primary"]) for name, part in found["by_task"].items()}
    assert parts == {"touch": (2, "acc"), "spot": (3, "hit")}
    assert found["metrics"]["hit"] == pytest.approx(1 / 3)
    assert found["metrics_n"] == {"acc": 5, "hit": 3, "near": 3}
    lines = (run / "samples_spots_and_touches.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert [row["id"] for row in samples] == ["t1", "a", "b", "c", "t2"], "order of the file"
    assert [row["metrics"]["acc"] for row in samples] == [1, 1, 0, 0, 0]
    assert results(tmp_path / "again")["spots_and_touches"]["by_task"] == found["by_task"]
