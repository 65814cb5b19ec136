"""Run directories: what is refused, and what is noted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.data.errors import DataError
from vlreward.report.drawing import gold_text
from vlreward.report.load import load_runs

Edit = Callable[[dict[str, Any]], Any]


def _rows() -> list[dict[str, Any]]:
    return [
        make_row("rec", f"s-{i}", [0, 0, 10, 10], "<answer>[0, 0, 10, 10]</answer>", [0, 0, 10, 10])
        for i in range(3)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", {"val": _rows()})


def _edit(path: Path, edit: Edit) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def _write_rows(run: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "samples_val.jsonl").write_text(text, encoding="utf-8")


def test_a_sound_run_has_no_notes(run: Path) -> None:
    (loaded,) = load_runs([run])
    assert loaded.name == "run"
    assert loaded.notes == []
    assert [row.id for row in loaded.suites["val"].samples or []] == ["s-0", "s-1", "s-2"]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one run directory, got none"):
        load_runs([])
    with pytest.raises(DataError, match=r"gone: expected a run directory, got no directory"):
        load_runs([tmp_path / "gone"])


def test_a_directory_without_results_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        DataError, match=r"expected a directory with results\.json, .* found notes\.txt"
    ):
        load_runs([tmp_path])


def test_the_same_run_twice(run: Path) -> None:
    with pytest.raises(DataError, match="expected different run directories"):
        load_runs([run, run / ".." / "run"])


def test_names_of_runs_are_as_long_as_it_takes(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name / "run", {"val": _rows()}) for name in ("a", "b")]
    assert [loaded.name for loaded in load_runs(paths)] == ["a/run", "b/run"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.update(schema="vlreward.results/2"), "expected schema 'vlreward.results/1'"),
        (lambda d: d.pop("schema"), "got None"),
        (lambda d: d.update(results={}), "results: .*at least 1 item"),
        (lambda d: d["results"]["val"].update(acc=1.5), r"acc: .*less than or equal to 1, got 1.5"),
        (lambda d: d["results"]["val"].pop("n"), "n: Field required"),
        (lambda d: d["results"]["val"].update(n=0), "n: .*greater than 0"),
        (lambda d: d["results"].update({"../x": d["results"]["val"]}), "expected the name of a"),
        (lambda d: d["results"].update({"a\ud800": d["results"]["val"]}), "expected the name of a"),
    ],
)
def test_results_that_are_refused(run: Path, edit: Edit, message: str) -> None:
    _edit(run / "results.json", edit)
    with pytest.raises(DataError, match=message) as caught:
        load_runs([run])
    assert "results.json" in str(caught.value)


def test_results_with_nan_or_cut_short(run: Path) -> None:
    path = run / "results.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"acc": 1.0', '"acc": NaN'), encoding="utf-8")
    with pytest.raises(DataError, match="NaN is no JSON number"):
        load_runs([run])
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json: line \d+, column \d+: expected JSON"):
        load_runs([run])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.pop("completion"), "completion: Field required"),
        (lambda r: r.update(completion=7), "completion: .*expected a text, got 7"),
        (lambda r: r.update(gold={"task": "rec", "box": [5, 5, 1, 1]}), "expected finite x1 < x2"),
        (
            lambda r: r.update(gold={"task": "counting", "count": 1}),
            "expected a gold of task 'rec'",
        ),
        (lambda r: r.update(answer=[1, 2, 3]), "expected four numbers"),
        (lambda r: r.update(answer="text"), "expected what 'rec' draws, got 'text'"),
        (lambda r: r.update(span=[0, 999]), "expected a span within the 31 characters"),
        (lambda r: r.update(span=[-1, 2]), "span.0: .*greater than or equal to 0"),
        (lambda r: r.update(metrics={"iou": 1.0}), r"expected the primary metric 'acc@0.5'"),
        (lambda r: r.update(id="s-0"), "expected ids that differ, got 's-0' again"),
        (lambda r: r.update(task="geometry"), "expected task 'rec' as the suite has"),
        (lambda r: r.update(value="1"), "value: "),
    ],
)
def test_rows_that_are_refused(run: Path, edit: Edit, message: str) -> None:
    rows = _rows()
    edit(rows[1])
    _write_rows(run, rows)
    with pytest.raises(DataError, match=message) as caught:
        load_runs([run])
    assert "samples_val.jsonl: expected rows" in str(caught.value)
    assert "got 1 others" in str(caught.value)
    assert "\n  line 2: " in str(caught.value)


def test_rows_that_are_refused_are_listed_and_counted(run: Path) -> None:
    rows = [row | {"id": f"s-{i}", "value": "1"} for i, row in enumerate(_rows() * 5)]
    _write_rows(run, rows)
    with pytest.raises(DataError, match=r"got 15 others\n  line 1: value: ") as caught:
        load_runs([run])
    assert str(caught.value).count("\n  line ") == 10
    assert "... and 5 more" in str(caught.value)


def test_a_row_with_nan_is_refused(run: Path) -> None:
    path = run / "samples_val.jsonl"
    text = path.read_text(encoding="utf-8").replace('"value": 1.0', '"value": NaN', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"samples_val\.jsonl: line 1: .*NaN"):
        load_runs([run])


def test_a_missing_sample_file_is_noted(run: Path) -> None:
    (run / "samples_val.jsonl").unlink()
    (loaded,) = load_runs([run])
    assert loaded.suites["val"].samples is None
    assert "samples_val.jsonl is missing" in loaded.notes[0]
    assert "run again" in loaded.notes[0]


def test_results_and_samples_that_contradict_each_other_are_noted(run: Path) -> None:
    _write_rows(run, _rows()[:2])
    assert "says n=3 for 'val', but samples_val.jsonl has 2" in load_runs([run])[0].notes[0]
    rows = _rows()
    rows[0]["metrics"]["acc@0.5"] = 0.25
    _write_rows(run, rows)
    notes = load_runs([run])[0].notes
    assert "says 1.0000 for 'val', but the mean of 'acc@0.5'" in notes[0]
    assert "neither 0 nor 1 for 1 samples" in notes[1]


def test_a_task_that_is_not_built_in_is_shown_as_it_is(tmp_path: Path) -> None:
    row = make_row("geometry", "s", "x", "<answer>x</answer>", "x") | {
        "task": "plugin",
        "gold": {"task": "plugin", "polygon": [[0, 0], [1, 1]], "kind": "x"},
    }
    (loaded,) = load_runs([write_run(tmp_path / "run", {"val": [row]})])
    (shown,) = loaded.suites["val"].samples or []
    assert gold_text(shown) == '{"polygon": [[0, 0], [1, 1]], "kind": "x"}'
