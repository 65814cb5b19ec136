"""The training demo, a few steps of it; what it learns is recorded in the benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.runs import results
from vlreward_trl.demo import _shuffled, app, demo


class Earned:
    __name__ = "exact"
    weight = 1.0
    shared = None

    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        return [float(text) for text in completions]


def test_what_is_not_installed_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlreward_trl.demo.find_spec", lambda name: None)
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "error: the training demo needs 'torch'" in done.output
    assert "pip install 'vlreward[trl]'" in done.output


def test_shuffled_rewards_are_the_same_numbers_in_other_places() -> None:
    texts = [str(i) for i in range(50)]
    shuffled = _shuffled(0)(Earned())(completions=texts)
    assert sorted(shuffled) == [float(i) for i in range(50)]
    assert shuffled != sorted(shuffled)


def test_the_demo_measures_before_and_after_and_shows_its_curves(tmp_path: Path) -> None:
    before, after = demo(
        "counting", tmp_path, steps=2, prompts=2, generations=2, eval_samples=6, eval_every=1
    )
    found = {name: results(tmp_path / name) for name in ("before", "after")}
    assert found["before"]["scenes_count_test[6]"]["acc"] == before
    assert found["after"]["scenes_count_test[6]"]["acc"] == after
    curves = json.loads((tmp_path / "after" / "training.json").read_text())
    assert curves["steps"] == [0, 1, 2]
    reward, held_out = curves["curves"]["reward"], curves["curves"]["held-out accuracy"]
    assert [value is None for value in reward] == [True, False, False]
    assert (held_out[0], held_out[2]) == (before, after)
    between = results(tmp_path / "during" / "1")
    assert between["scenes_count_test[6]"]["acc"] == held_out[1]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="training"' in page
    assert 'id="comparison"' in page
