"""Curves from the state that trainers write, and from the file beside a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.report import ReportError, build_report
from vlreward.report.training import TrainingCurves, curve_figures, read_training


def _state(directory: Path, steps: int, of: int = 40, **more: Any) -> Path:
    """As transformers writes it: one entry at each step, others at evaluations and at the end."""
    log: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        norm = float("nan") if step == 2 else 1.0
        log.append({"loss": 0.1, "grad_norm": norm, "epoch": step / of, "reward": step / of,
                    "rewards/iou/mean": 0.5, "rewards/iou/std": 0.1,
                    "custom": 3, "step": step})  # fmt: skip
        if step % 10 == 0:
            log.append({"eval_accuracy": step / 50, "eval_runtime": 2.0, "step": step})
    log.append({"train_runtime": 9.0, "train_loss": 0.1, "total_flos": 0.0, "step": steps})
    state = {"global_step": steps, "max_steps": of, "log_history": log, "epoch": 1.0} | more
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "trainer_state.json").write_text(json.dumps(state))
    return directory


def test_the_curves_of_a_training_run_alone(tmp_path: Path) -> None:
    run = _state(tmp_path / "grpo", 40, best_metric=0.8, best_model_checkpoint="/x/y/checkpoint-40")
    report = build_report([run], tmp_path / "p.html")
    assert report.samples == 0
    assert "reward over 40 steps, from 0.025 to 0.963" in report.html
    assert "eval_accuracy over 4 steps, from 0.2 to 0.8" in report.html
    assert "best: 0.8 at checkpoint-40" in report.html
    assert "1 training run" in report.html
    assert 'id="summary"' not in report.html
    assert 'id="samples"' not in report.html


def test_the_most_telling_curves_come_first(tmp_path: Path) -> None:
    curves = read_training(_state(tmp_path / "r", 20))
    assert curves is not None
    assert list(curves.curves) == [
        "eval_accuracy", "reward", "rewards/iou/mean", "loss", "grad_norm", "rewards/iou/std",
        "custom",
    ]  # fmt: skip
    assert curves.curves["grad_norm"][:3] == [1.0, None, 1.0], "NaN is no value"
    assert curves.curves["eval_accuracy"].count(None) == 18
    assert curves.notes == [
        "not finished, or stopped: step 20 of 40 at the last checkpoint"
    ]  # fmt: skip


def test_a_run_that_goes_on_is_read_from_its_latest_checkpoint(tmp_path: Path) -> None:
    for step in (8, 16, 120):
        _state(tmp_path / f"checkpoint-{step}", step, 400)
    _state(tmp_path / "checkpoint-best", 3)
    curves = read_training(tmp_path)
    assert curves is not None
    assert curves.steps[-1] == 120
    _state(tmp_path, 16, 400)  # of an earlier part of a run that was resumed
    again = read_training(tmp_path)
    assert again is not None
    assert again.steps[-1] == 120


def test_a_long_run_stays_a_light_page(tmp_path: Path) -> None:
    report = build_report([_state(tmp_path / "long", 20_000, 20_000)], tmp_path / "p.html")
    assert report.html.count('class="dot"') <= 8 * 400
    assert len(report.html) < 700_000
    assert "20000" in report.html


def test_training_and_benchmark_stand_side_by_side(tmp_path: Path) -> None:
    trained = _state(tmp_path / "trained", 10)
    run = write_run(tmp_path / "run", {"val": [make_row("counting", "1", 3, "3", 3)]})
    html = build_report([run, trained], tmp_path / "p.html").html
    assert 'id="summary"' in html
    assert "<h3>trained</h3>" in html
    both = build_report([write_run(trained, {"val": [make_row("counting", "1", 3, "3", 3)]})],
                        tmp_path / "p.html").html  # fmt: skip
    assert 'id="summary"' in both
    assert "reward over 10 steps" in both


@pytest.mark.parametrize(
    ("name", "best"), [("trl", "best: 0.4167 at checkpoint-1"), ("paddle", None)]
)
def test_what_the_backends_wrote(root: Path, tmp_path: Path, name: str, best: str | None) -> None:
    """Of two short runs on a CPU: TRL 1.16 and later on transformers, and PaddleFormers."""
    state = (root / "tests" / "cases" / "training" / f"{name}.json").read_bytes()
    (tmp_path / "trainer_state.json").write_bytes(state)
    curves = read_training(tmp_path)
    assert curves is not None
    assert next(iter(curves.curves)) == "eval_acc"
    shown = list(curves.curves)[:12]
    assert {"reward", "rewards/counting_exact/mean", "eval_counting/acc"} <= set(shown)
    assert not any("seconds" in name for name in shown)
    assert (best in curves.notes) if best else not curves.notes
    assert "eval_acc over" in build_report([tmp_path], tmp_path / "p.html").html


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"global_step": 1}', '{"global_step": 1, "log_history": [{"loss": 1}]}',
     '{"global_step": "x", "log_history": []}', "[" * 100_000],
)  # fmt: skip
def test_a_broken_state_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "trainer_state.json").write_text(content)
    with pytest.raises(ReportError, match=r"trainer_state\.json: expected a trainer's state"):
        build_report([tmp_path], tmp_path / "p.html")


def test_a_directory_without_either_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(ReportError, match=r"results\.json"):
        build_report([tmp_path], tmp_path / "p.html")


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
