"""A plug-in package, built and installed for real, adds a task, reward, parser and engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def plugin(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    target = tmp_path_factory.mktemp("plugin")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target),
         str(root / "tests" / "plugin")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_plugin_is_found_by_its_entry_points(plugin: Path, root: Path) -> None:
    path = os.pathsep.join([str(plugin), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.stdout == "plugged in\n", done.stderr


def test_a_broken_plugin_is_named(tmp_path: Path, root: Path) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[vlreward.tasks]\nbad = no_such_module:x\n")
    done = subprocess.run(
        [sys.executable, "-c", "from vlreward.tasks import TASKS; TASKS.get('bad')"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])},
    )  # fmt: skip
    assert "the task 'bad' of the plug-in 'no_such_module:x'" in done.stderr
    assert "mend or uninstall the plug-in" in done.stderr
