"""`vlreward data` as a user calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vlreward.cli import app
from vlreward.data import load
from vlreward.scenes import MORE_TASKS, TASKS


def data(*args: object) -> Result:
    command = ["data", *map(str, args)]
    return CliRunner().invoke(app, command, catch_exceptions=False, env={"COLUMNS": "200"})


@pytest.mark.parametrize("task", [*TASKS, *MORE_TASKS])
def test_drawn_scenes_are_read_with_the_options_that_the_command_names(
    task: str, tmp_path: Path
) -> None:
    result = data("scenes", task, "--out", tmp_path / "d", "--n", 4, "--level", "easy")
    assert result.exit_code == 0, result.output
    _, _, named = result.output.partition("read it with: --data ")
    file, _, root = named.strip().partition(" --image-root ")
    loaded = load(file, task=task, image_root=root)
    assert [sample.task for sample in loaded] == [task] * 4
    assert all("-easy-" in sample.id for sample in loaded)


def test_a_task_without_scenes_is_refused_with_those_that_have_some(tmp_path: Path) -> None:
    result = data("scenes", "count", "--out", tmp_path / "d")
    assert result.exit_code == 2
    assert "unknown task 'count'; did you mean 'counting'" in result.stderr
    assert not (tmp_path / "d").exists()
