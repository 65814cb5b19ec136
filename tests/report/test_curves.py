from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.report import ReportError, build_report
from vlreward.report.curves import TrainingCurves, curve_figures

GOOD: dict[str, Any] = {
    "title": "GRPO on <counting>",
    "steps": list(range(1, 41)),
    "curves": {"reward": [i / 40 for i in range(40)], "accuracy": [0.5] + [None] * 38 + [0.9]},
    "notes": ["two CPU cores"],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    row = make_row("counting", "1", 3, "<answer>3</answer>", 3)
    return write_run(tmp_path / "run", {"val": [row]})


def test_curves_beside_a_run_are_shown(run: Path, tmp_path: Path) -> None:
    (run / "training.json").write_text(json.dumps(GOOD))
    html = build_report([run], tmp_path / "p.html").html
    assert 'id="training"' in html
    assert "GRPO on &lt;counting&gt;" in html
    assert html.count('class="curve"') == 2
    assert "reward over 40 steps, from 0 to 0.938" in html


def test_a_run_without_curves_has_no_such_section(run: Path, tmp_path: Path) -> None:
    assert 'id="training"' not in build_report([run], tmp_path / "p.html").html


def test_values_that_were_not_logged_are_left_out() -> None:
    figures = curve_figures(TrainingCurves.model_validate(GOOD))
    assert [figure.title for figure in figures] == ["reward", "accuracy"]
    assert figures[1].rows == [("1", "0.5"), ("40", "0.9")]
    assert len(figures[0].rows) == 40


def test_a_flat_curve_of_one_step_is_drawn() -> None:
    (figure,) = curve_figures(TrainingCurves(title="t", steps=[3], curves={"loss": [0.0]}))
    assert "nan" not in figure.svg


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [2, 1], "curves": {}}, "expected increasing steps"),
        ({"curves": {"reward": [1.0]}}, "expected 40 values in curve 'reward', got 1"),
        ({"more": 1}, "more"),
    ],
)
def test_a_broken_file_is_an_error(
    run: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (run / "training.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ReportError, match=message):
        build_report([run], tmp_path / "p.html")


def test_a_number_that_is_not_finite_is_an_error(run: Path, tmp_path: Path) -> None:
    (run / "training.json").write_text(json.dumps(GOOD).replace("0.975", "NaN"))
    with pytest.raises(ReportError, match=r"training\.json"):
        build_report([run], tmp_path / "p.html")
