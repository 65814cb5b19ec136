"""A run's files: written and read by one schema, and those of older versions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vlreward.bench.cli import app as bench
from vlreward.bench.run_files import Results, SampleRow
from vlreward.bench.run_reader import read_results, read_samples
from vlreward.cli import app as vlreward
from vlreward.data.errors import DataError
from vlreward.report import build_report
from vlreward.report.drawing import answer_shapes
from vlreward.report.load import load_runs

NEW_KEYS = ("axis_order", "metadata", "attempt", "images", "axes")
ACCURACY = {
    "refcoco_val": 1 / 3,
    "refcoco_val@centre-box": 0.0,
    "refcoco_val@whole-image": 0.0,
    "superclevr_test200": 1 / 3,
    "superclevr_test200@constant-4": 1 / 3,
    "geoqa_test": 2 / 3,
    "geoqa_test@constant-145_": 1 / 3,
}


@pytest.fixture
def old(root: Path, tmp_path: Path) -> Path:
    """A run directory as version 0.1.0 wrote it, before there was a schema in code."""
    return shutil.copytree(root / "tests" / "cases" / "runs" / "schema_1", tmp_path / "old")


def _vlreward(*args: object) -> str:
    done = CliRunner().invoke(vlreward, [str(arg) for arg in args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_old_run_is_read_without_a_remark(old: Path) -> None:
    (run,) = load_runs([old])
    assert {name: suite.result.acc for name, suite in run.suites.items()} == ACCURACY
    assert run.notes == []
    page = build_report([old], old / "page.html")
    assert page.samples == 21
    assert page.notes == []
    assert "name 2 images that did not come with them" in page.html


def test_an_old_run_is_compared_and_scored_again(old: Path, tmp_path: Path) -> None:
    _vlreward("rescore", old, "-o", tmp_path / "again")
    again = read_results(tmp_path / "again").results
    before = read_results(old).results
    assert set(again) == {name for name in ACCURACY if "@" not in name}, "controls are left out"
    for name, result in again.items():
        one, two = before[name].model_dump(), result.model_dump()
        changed = {key for key in two if two[key] != one.get(key)}
        assert changed <= {"notes", "rescored_from", "data_sha256", "verdict_tiers"}, name
    output = _vlreward("compare", old, tmp_path / "again")
    assert output.count("+0.00%") >= 3


def test_another_frame_where_sizes_are_missing_is_an_error(old: Path, tmp_path: Path) -> None:
    path = old / "samples_refcoco_val.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    text = "".join(
        json.dumps({**row, "input_size": None, "frame": "original_px"}) + "\n" for row in rows
    )
    path.write_text(text)
    done = CliRunner().invoke(
        vlreward, ["rescore", str(old), "-o", str(tmp_path / "x"), "--frame", "input_px"]
    )
    assert done.exit_code == 2
    assert "'refcoco_val' cannot be read with --frame: expected input_size" in done.stderr


def test_what_is_written_is_what_is_read(old: Path, tmp_path: Path) -> None:
    """The same completions give the same rows and numbers through this version's writer."""
    names = ("refcoco_val", "superclevr_test200", "geoqa_test")
    files = [word for name in names for word in ("-c", str(old / f"samples_{name}.jsonl"))]
    options = [*names, *files, "-o", str(tmp_path / "new"), "--controls"]
    done = CliRunner().invoke(bench, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for name in ACCURACY:
        rows = [
            (directory / f"samples_{name}.jsonl").read_text().splitlines()
            for directory in (old, tmp_path / "new")
        ]
        for before, after in zip(*rows, strict=True):
            old_row, new_row = json.loads(before), json.loads(after)
            assert [new_row.pop(key) for key in NEW_KEYS][1] == {}
            for row in (old_row, new_row):  # how a failure is put into words may change
                (row["failure"] or {}).pop("detail", None)
            assert new_row == old_row, name
    document = json.loads((tmp_path / "new" / "results.json").read_text())
    read = read_results(tmp_path / "new")
    assert Results.model_validate(read.model_dump(by_alias=True)) == read
    assert json.loads(json.dumps(read.model_dump(by_alias=True))) == document


def test_lone_surrogates_and_line_separators_survive(old: Path) -> None:
    rows = read_samples(old / "samples_refcoco_val.jsonl", lambda row: None)
    assert rows[1].reply().text.startswith("<think>\ud800")
    assert rows[2].reply() == ("no box \u2028 at all", True, None)
    assert rows[0].sample.target == (152.5, 139, 606, 423)


def test_an_answer_outside_its_frame_has_no_place_in_the_image(tmp_path: Path) -> None:
    """The page drew a box of norm1000 as if its numbers were pixels of the original image."""
    written = [100, 100, 2100, 900]
    for frame, order, answer in (
        ("norm1000", "xy", None),
        ("original_px", "xy", written),
        ("original_px", "yx", None),
    ):
        out = tmp_path / f"{frame}-{order}"
        row: dict[str, Any] = {"completion": "<answer>[100, 100, 2100, 900]</answer>"}
        row |= {
            "gold": [1, 2, 3, 4],
            "frame": frame,
            "axis_order": order,
            "width": 2000,
            "height": 1000,
            "question": "Where is it?",
        }
        (tmp_path / "rows.jsonl").write_text(json.dumps(row))
        words = ["refcoco_val", "-c", str(tmp_path / "rows.jsonl"), "-o", str(out)]
        assert CliRunner().invoke(bench, words, catch_exceptions=False).exit_code == 0
        (run,) = load_runs([out])
        (read,) = run.suites["refcoco_val"].rows()
        assert read.failure is not None
        assert (read.failure.code, read.raw_answer) == ("out_of_frame", [100, 100, 2100, 900])
        assert read.answer == answer
        assert len(answer_shapes(read)) == (answer is not None)
        earlier = read.model_copy(update={"answer": read.raw_answer})
        assert len(answer_shapes(earlier)) == (answer is not None)


def test_a_run_is_scored_again_in_another_order_of_the_axes(tmp_path: Path) -> None:
    row: dict[str, Any] = {"completion": "<answer>[300, 10, 380, 60]</answer>"}
    row |= {"gold": [10, 300, 60, 380]}
    row |= {"width": 100, "height": 400, "question": "Where is it?"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    words = ["refcoco_val", "-c", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "a")]
    assert CliRunner().invoke(bench, words, catch_exceptions=False).exit_code == 0
    _vlreward("rescore", tmp_path / "a", "-o", tmp_path / "b", "--axis-order", "yx")
    results = [read_results(tmp_path / name).results["refcoco_val"] for name in "ab"]
    assert [result.acc for result in results] == [0.0, 1.0]


def test_a_gold_of_another_task_is_refused(old: Path) -> None:
    row = read_samples(old / "samples_geoqa_test.jsonl", lambda row: None)[0]
    with pytest.raises(ValueError, match=r"expected a gold of task 'x', got \{'task': 'geometry'"):
        _ = SampleRow(**{**row.model_dump(), "task": "x"}).sample


def test_a_directory_of_another_schema_is_not_scored_again(old: Path, tmp_path: Path) -> None:
    path = old / "results.json"
    path.write_text(path.read_text().replace("vlreward.results/1", "vlreward.results/9"))
    with pytest.raises(DataError, match=r"expected schema 'vlreward\.results/1', got"):
        read_results(old)
    done = CliRunner().invoke(vlreward, ["rescore", str(old), "-o", str(tmp_path / "x")])
    assert done.exit_code == 2
