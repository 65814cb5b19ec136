"""`vlreward data` as a user calls it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
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
    assert "unknown task with scenes 'count'; did you mean 'counting'" in result.stderr
    assert not (tmp_path / "d").exists()


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Ten rows with a box each, of 100 x 80 pixels."""
    return rows_of(tmp_path, [(10, 20, 50, 60)] * 10)


def rows_of(folder: Path, golds: list[object], **more: object) -> Path:
    Image.new("RGB", (100, 80), "teal").save(folder / "a.png")
    rows = [
        {"image": "a.png", "problem": f"Where is <{n}>?", "solution": gold, **more}
        for n, gold in enumerate(golds)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def checked(path: Path, *args: object) -> tuple[Result, str]:
    page = path.parent / "page.html"
    found = data("check", path, "--task", "rec", "--html", page, *args)
    return found, page.read_text("utf-8")


def test_a_check_says_what_training_would_read(boxes: Path) -> None:
    result, page = checked(boxes, "--image-root", boxes.parent, "--family", "qwen2.5-vl")
    assert result.exit_code == 0, result.output
    for line in (
        "  schema: rec",
        "  columns: image, solution, as the schema has them",
        "  task: rec (10)",
        "  rows: 10, of which 10 are samples",
        "  golds: 1 different, most often [10, 20, 50, 60] (10)",
        "  images: 1 different; sizes: 10 known",
        "  frame of golds: original_px (10)",
        "  frame of answers: input_px",
        "    question: Where is <0>?",
        "    image: a.png of 100 x 80",
        "training would read it",
    ):
        assert line in result.stdout.splitlines(), line
    assert result.stdout.count("  sample ") == 3
    assert "Where is &lt;0&gt;?" in page  # what rows say is text
    assert page.count('<rect class="gold" x="10" y="20" width="40" height="40"') == 3
    assert page.count("data:image/jpeg;base64,") == 3


def test_the_mapping_that_the_message_proposes_is_shown_and_read(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(
        json.dumps({"pic": "a.png", "ask": "How many?", "gt_count": 3, "hard": 1}) + "\n"
    )
    Image.new("RGB", (60, 60)).save(tmp_path / "a.png")
    args = ["--html", tmp_path / "page.html", "--image-root", tmp_path]
    refused = data("check", path, *args)
    assert refused.exit_code == 2
    assert "  keys of the first row: pic, ask, gt_count, hard" in refused.stdout
    proposed = re.search(r"--columns (\S+)", refused.stderr)
    assert proposed is not None
    result = data("check", path, "--columns", proposed[1], *args)
    assert result.exit_code == 0, result.output
    assert "  columns: gold=gt_count, image=pic, question=ask" in result.stdout
    assert "  kept as metadata: hard" in result.stdout
    assert "  task: counting (1)" in result.stdout


GOOD = (10, 20, 50, 60)
FAILS: dict[str, tuple[list[object], tuple[str, ...], str]] = {
    "no image root": ([GOOD], (), "no image root is known: give --image-root DIR"),
    "bad golds": ([GOOD, (9, 9, 1, 1)], ("ROOT",), "--on-bad-gold skip leaves their rows out"),
    "another frame": ([GOOD, (100, 200, 500, 600)], ("ROOT",), "--gold-frame norm1000"),
    "fractions": ([(0.1, 0.2, 0.5, 0.6)] * 4, ("ROOT",), "--gold-frame norm1"),
    "no such image": ([GOOD], ("ELSEWHERE",), "expected every image to exist, got 1 missing"),
    "another task": (["red"] * 2, ("ROOT",), "expected four numbers"),
}


@pytest.mark.parametrize("case", FAILS)
def test_a_check_ends_with_2_where_training_would_fail(case: str, tmp_path: Path) -> None:
    golds, args, message = FAILS[case]
    path = rows_of(tmp_path, golds)
    (tmp_path / "other").mkdir()
    roots = {"ROOT": tmp_path, "ELSEWHERE": tmp_path / "other"}
    options = [option for name in args for option in ("--image-root", roots[name])]
    result, page = checked(path, *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {path}: ")
    assert message in result.stderr
    assert "training would read" not in result.stdout
    assert "<pre>" in page


@pytest.mark.parametrize("damage", ["cut", "narrow"])
def test_images_are_looked_at_as_training_looks_at_them(boxes: Path, damage: str) -> None:
    picture = boxes.parent / "a.png"
    if damage == "cut":
        picture.write_bytes(picture.read_bytes()[:90])
    else:
        Image.new("L", (20_100, 80)).save(picture)
    result, _ = checked(boxes, "--image-root", boxes.parent)
    assert result.exit_code == 2
    assert "expected readable images, got 1 bad among 1" in result.stderr
    none = ("--image-root", boxes.parent, "--check-images", "none")
    unseen, _ = checked(boxes, *none)
    assert unseen.exit_code == 0
    refused, _ = checked(boxes, *none, "--on-bad-image", "skip")
    assert refused.exit_code == 2
    assert "expected images to be looked at, got --check-images none" in refused.stderr


def test_where_only_the_task_is_unknown_the_schema_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"problem": "How many?", "answer": "3", "images": ["a.png"]}\n')
    result = data("check", path, "--html", tmp_path / "page.html")
    assert result.exit_code == 2
    assert "  schema: easyr1" in result.stdout
    assert "cannot tell the task" in result.stderr


def test_rows_that_may_be_left_out_are_no_failure(tmp_path: Path) -> None:
    path = rows_of(tmp_path, [GOOD, (9, 9, 1, 1), (0.1, 0.1, 0.2, 0.2)])
    options = ("--image-root", tmp_path, "--on-bad-gold", "skip", "--on-suspicious", "keep")
    result, _ = checked(path, *options)
    assert result.exit_code == 0, result.output
    assert "  1 rows left out:" in result.stdout
    assert "suspicious rows:" in result.stdout
    assert "--gold-frame norm1" in result.stdout


def test_each_file_is_told_though_one_is_bad(boxes: Path, tmp_path: Path) -> None:
    result = data(
        "check", tmp_path / "none.json", boxes, "--task", "rec", "--image-root", tmp_path,
        "--html", tmp_path / "page.html",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "  rows: 10, of which 10 are samples" in result.stdout
    assert result.stderr.count("error: ") == 1
    assert "none.json" in result.stderr


def test_of_files_that_are_not_there_no_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = data("check", tmp_path / "none.json", "--html", page)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no file or directory")
    assert result.stdout == ""
    assert not page.exists()


def test_a_check_leaves_out_what_it_is_told_to_and_says_so(tmp_path: Path) -> None:
    path = rows_of(tmp_path, [(10, 20, 50, 60)] * 3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["image"], rows[1]["image"] = "bad.png", "none.png"
    (tmp_path / "bad.png").write_bytes(b"no image")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = ("--image-root", tmp_path)
    result, _ = checked(path, *args, "--on-bad-image", "skip", "--on-missing", "skip")
    assert result.exit_code == 0, result.output
    assert "rows: 3, of which 1 are samples" in result.output
    assert "1 left out: bad image" in result.output
    assert "1 left out: missing image" in result.output
    assert "sample rows/3" in result.output
    assert "sample rows/1" not in result.output
    refused, _ = checked(path, *args, "--on-missing", "skip")
    assert refused.exit_code == 2
    assert "bad.png" in refused.output


def test_the_only_row_is_told_by_its_fault(tmp_path: Path) -> None:
    result, _ = checked(rows_of(tmp_path, [(50, 60, 10, 20)]), "--image-root", tmp_path)
    assert result.exit_code == 2
    assert "expected good rows, got 1 bad" in result.output
    assert "skipped" not in result.output
