"""`vlreward-bench` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from vlreward.bench.cli import app
from vlreward.suite import SUITES
from vlreward.tasks import every_task

ROWS: list[dict[str, Any]] = [
    {"id": "a", "image": "1.jpg", "ground_truth": [0, 0, 10, 10],
     "completion": "<think>x</think><answer>[0, 0, 10, 10]</answer>"},
    {"id": "b", "image": "1.jpg", "ground_truth": [0, 0, 10, 10],
     "completion": "<think>x</think><answer>[0, 0, 10, 21]</answer>"},
    {"id": "c", "image": "2.jpg", "ground_truth": [0, 0, 10, 10], "completion": "no box"},
]  # fmt: skip


def bench(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def results(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert document["schema"] == "vlreward.results/1"
    found: dict[str, Any] = document["results"]
    return found


def written(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_prints_a_table_and_writes_results_and_samples(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = bench("refcoco_val", "--completions", rows, "--out", out)
    assert result.exit_code == 0, result.output
    assert "33.33%" in result.output
    assert "no_answer 1" in result.output
    entry = results(out)["refcoco_val"]
    assert entry["acc"] == pytest.approx(1 / 3)
    assert entry["n"] == 3
    assert entry["parse_rate"] == pytest.approx(2 / 3)
    assert entry["failures"] == {"no_answer": 1}
    assert entry["acc_ci_clustered"] is not None
    assert entry["metrics"]["iou"] == pytest.approx((1 + 10 / 21) / 3)
    assert {
        k: entry[k] for k in ("protocol", "method", "prompt", "frame", "frame_declared_by")
    } == {
        "protocol": "strict",
        "method": "r1",
        "prompt": "rec-r1",
        "frame": "original_px",
        "frame_declared_by": "default",
    }
    assert len(entry["file_sha256"]) == 64
    samples = written(out / "samples_refcoco_val.jsonl")
    assert [s["id"] for s in samples] == ["a", "b", "c"]
    assert samples[0]["answer"] == [0, 0, 10, 10]
    assert samples[2]["failure"]["code"] == "no_answer"
    assert sorted(path.name for path in out.iterdir()) == [
        "config.yaml",
        "results.json",
        "samples_refcoco_val.jsonl",
    ]


def test_written_samples_can_be_scored_again(rows: Path, tmp_path: Path) -> None:
    bench("refcoco_val", "-c", rows, "-o", tmp_path / "one")
    again = tmp_path / "one" / "samples_refcoco_val.jsonl"
    assert bench("refcoco_val", "-c", again, "-o", tmp_path / "two").exit_code == 0
    one, two = (results(tmp_path / name)["refcoco_val"] for name in ("one", "two"))
    assert one["metrics"] == two["metrics"]
    assert two["frame_declared_by"] == "file"


def test_the_default_frame_is_said(rows: Path, tmp_path: Path) -> None:
    result = bench("refcoco_val", "-c", rows, "-o", tmp_path / "o")
    assert "no frame is declared: coordinates were read as original_px" in result.output


def test_a_wrong_frame_is_warned_about(tmp_path: Path) -> None:
    row = {"ground_truth": [0, 0, 10, 10], "image_size": [64, 48],
           "completion": "<answer>[100, 200, 900, 800]</answer>"}  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text((json.dumps(row) + "\n") * 1)
    result = bench("refcoco_val", "-c", path, "-o", tmp_path / "o", "--frame", "original_px")
    assert "1 of 1 answers (100%) lie outside the declared frame original_px" in result.output
    assert results(tmp_path / "o")["refcoco_val"]["failures"] == {"out_of_frame": 1}


def test_a_family_declares_frame_and_input_size(tmp_path: Path) -> None:
    row = {"ground_truth": [0, 0, 640, 428], "width": 640, "height": 428,
           "completion": "<answer>[0, 0, 644, 420]</answer>"}  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    result = bench("refcoco_val", "-c", path, "-o", tmp_path / "o", "--family", "qwen2.5-vl")
    assert result.exit_code == 0
    entry = results(tmp_path / "o")["refcoco_val"]
    assert (entry["frame"], entry["frame_declared_by"]) == ("input_px", "model family")
    assert entry["metrics"]["iou"] == pytest.approx(1.0)


def test_clip_makes_a_box_that_leaves_the_frame_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**ROWS[0], "completion": "<answer>[-4, 0, 10, 10]</answer>"}))
    assert bench("refcoco_val", "-c", path, "-o", tmp_path / "a").exit_code == 0
    assert bench("refcoco_val", "-c", path, "-o", tmp_path / "b", "--clip").exit_code == 0
    assert results(tmp_path / "a")["refcoco_val"]["acc"] == 0
    assert results(tmp_path / "b")["refcoco_val"]["acc"] == 1


def test_a_baseline_prompt_looks_anywhere_for_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    row = {"ground_truth": [0, 0, 10, 10], "model_output": '```json\n[{"bbox_2d": [0, 0, 10, 10]}]'}
    path.write_text(json.dumps({"accuracy": 100.0, "results": [row]}))
    for options in (["--method", "baseline"], ["--prompt", "qwen2.5-vl"]):
        out = tmp_path / options[1]
        result = bench("refcoco_val", "-c", path, "-o", out, *options)
        assert "the file itself records an accuracy of 100.00%" in result.output
        assert results(out)["refcoco_val"]["acc"] == 1
        assert results(out)["refcoco_val"]["method"] == "baseline"
    assert bench("refcoco_val", "-c", path, "-o", tmp_path / "r1").exit_code == 0
    assert results(tmp_path / "r1")["refcoco_val"]["acc"] == 0


def test_controls_of_boxes_need_image_sizes_and_say_so(tmp_path: Path) -> None:
    row = {**ROWS[0], "completion": "<answer>[0, 0, 10, 10]</answer>"}
    for name, more in (("sized", {"width": 640, "height": 428}), ("bare", {})):
        path, out = tmp_path / f"{name}.jsonl", tmp_path / name
        path.write_text(json.dumps(row | more))
        result = bench("refcoco_val", "-c", path, "-o", out, "--controls")
        assert result.exit_code == 0
        controls = {"refcoco_val@centre-box", "refcoco_val@whole-image"} & results(out).keys()
        assert len(controls) == (2 if more else 0)
        assert ("no blind controls: the rows lack" in result.output) is (not more)
        assert bench("refcoco_val", "-c", path, "-o", out).exit_code == 0  # the same, without them


def test_a_vlmevalkit_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text(
        "index\tquestion\tanswer\tprediction\n"
        '7\t"Where?\nHere."\t[0, 0, 10, 10]\t<answer>[0, 0, 10, 10]</answer>\n'
        "8\tWhere?\t[0, 0, 10, 10]\t\n"
    )
    assert bench("refcoco_val", "-c", path, "-o", tmp_path / "o").exit_code == 0
    assert results(tmp_path / "o")["refcoco_val"]["acc"] == 0.5
    samples = written(tmp_path / "o" / "samples_refcoco_val.jsonl")
    assert [s["id"] for s in samples] == ["7", "8"]


def test_golds_may_come_from_a_data_file(tmp_path: Path) -> None:
    data = tmp_path / "golds.jsonl"
    gold = {"id": "x", "image_path": "1.png", "question": "How many?", "ground_truth": 4}
    data.write_text(json.dumps(gold))
    completions = tmp_path / "rows.jsonl"
    completions.write_text(json.dumps({"id": "x", "completion": "<answer>4</answer>"}))
    args = ("superclevr_test200", "-c", completions, "-o", tmp_path / "o")
    assert bench(*args, "--data", data).exit_code == 0
    entry = results(tmp_path / "o")["superclevr_test200"]
    assert entry["acc"] == 1
    assert len(entry["data_sha256"]) == 64


def test_rows_of_several_tasks_with_golds_and_images_of_a_data_file(tmp_path: Path) -> None:
    """MathVerse mixes choices and expressions, and has its images in a directory of its own."""
    (tmp_path / "mathverse" / "images").mkdir(parents=True)
    rows = [
        {"sample_index": "1", "question_type": "multi-choice", "answer": "B", "image": "a.png",
         "question": "What is x?\nChoices:\nA:1\nB:2\nC:3\nD:4"},
        {"sample_index": "2", "question_type": "free-form", "answer": "2√{3}", "image": "b.png",
         "question": "What is x?"},
    ]  # fmt: skip
    data = tmp_path / "mathverse" / "testmini.json"
    data.write_text(json.dumps(rows))
    for row in rows:
        Image.new("RGB", (8, 8)).save(tmp_path / "mathverse" / "images" / str(row["image"]))
    answers = tmp_path / "answers.jsonl"
    texts = {"1": "<answer>C</answer>", "2": "<answer>\\sqrt{12}</answer>"}
    answers.write_text(
        "".join(json.dumps({"id": key, "completion": text}) + "\n" for key, text in texts.items())
    )
    out = tmp_path / "out"
    args = ("-c", answers, "--data", data, "--data-root", tmp_path, "--controls", "--html")
    assert bench("mathverse_testmini", *args, "-o", out).exit_code == 0
    found = results(out)
    entry, (control,) = found.pop("mathverse_testmini"), found.values()
    assert {name: part["acc"] for name, part in entry["by_task"].items()} == {
        "choice": 0, "geometry": 1
    }  # fmt: skip
    assert (entry["acc"], entry["metrics_n"]["acc"]) == (0.5, 2)
    assert entry["image_root"] == "../mathverse/images"
    assert (control["control"], control["acc"]) == ("constant-B+constant-2√{3}", 1.0)
    assert (out / "report.html").read_text().count("data:image/png") == 2


BAD = {
    "no such file": (None, "no such file"),
    "not JSON": ("{", "line 1, column 2: expected JSON"),
    "empty": ("", "empty file"),
    "no completion": ('{"ground_truth": [0, 0, 1, 1]}', "line 1: expected a completion in one of"),
    "no gold": ('{"completion": "x"}', "line 1: expected a gold in one of"),
    "inverted gold": (
        json.dumps(ROWS[0]) + '\n{"completion": "x", "ground_truth": [9, 0, 1, 1]}',
        "line 2: bad gold [9, 0, 1, 1]: box: expected finite x1 < x2",
    ),
    "gold of another task": ('{"completion": "x", "ground_truth": 4}', "expected four numbers"),
    "not an object": ("[1]", "line 1: expected an object, got list"),
    "an id of two questions": (
        json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[0] | {"ground_truth": [0, 0, 9, 9]}),
        "line 2: expected ids that differ, or further answers to one question, got 'a' as in line 1"
        " with another gold",
    ),
    "completion not text": ('{"completion": [3, 4], "gold": [0, 0, 1, 1]}', "got numbers: [3, 4]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_line_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_text(content)
    result = bench("refcoco_val", "-c", path, "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert "rows.jsonl" in result.stderr
    assert not (tmp_path / "o").exists()


def test_a_gold_that_cannot_be_read_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    golds = ["145°", "x+"]
    path.write_text("".join(json.dumps({"gold": g, "completion": "?"}) + "\n" for g in golds))
    result = bench("geoqa_test", "-c", path, "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert "rows.jsonl: line 2: " in result.stderr
    assert "got 'x+'" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["refcoco_vla"], "unknown suite 'refcoco_vla'; did you mean 'refcoco_val'"),
        (
            ["refcoco_val", "--protocol", "strickt"],
            "'strickt'; did you mean 'strict'",
        ),
        (["refcoco_val", "--prompt", "r1"], "unknown prompt preset 'r1'"),
        (["refcoco_val", "--method", "sft"], "'sft' is not one of 'r1', 'baseline'"),
        (["refcoco_val", "--family", "llama"], "expected the name of one model family"),
        (["refcoco_val", "refcoco_testA"], "one --completions file for each of the 2 suites"),
        (
            ["geoqa_test", "--clip"],
            "the answers of 'geoqa_test' cannot be clipped",
        ),
        (["refcoco_val", "--frame", "norm1000"], "line 1: expected image_size=(width, height)"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_mistakes_on_the_command_line_name_the_remedy(
    rows: Path, tmp_path: Path, args: list[str], message: str
) -> None:
    result = bench(*args, "-c", rows, "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert not (tmp_path / "o").exists()


def test_list_describes_every_suite() -> None:
    output = bench("list").output
    assert all(suite.split("_")[0] in output for suite in SUITES)
    assert all(spec.protocol in output and spec.name in output for spec in every_task())


def test_columns_reach_the_file_that_has_them(tmp_path: Path) -> None:
    data = tmp_path / "golds.jsonl"
    data.write_text(json.dumps({"no": "x", "ask": "How many?", "truth": 4, "pic": "1.png"}))
    completions = tmp_path / "rows.jsonl"
    completions.write_text(json.dumps({"key": "1", "no": "x", "reply": "<answer>4</answer>"}))
    args = ("superclevr_test200", "-c", completions, "--data", data, "-o", tmp_path / "o")
    columns = "gold=truth,question=ask,image=pic,id=no,completion=reply"
    result = bench(*args, "--columns", columns)
    assert result.exit_code == 0, result.output
    assert results(tmp_path / "o")["superclevr_test200"]["acc"] == 1
    for wrong in ("image=pics", "width=w"):
        refused = bench(*args, "--overwrite", "--columns", f"{columns},{wrong}".replace(
            "image=pic,", "" if wrong.startswith("image") else "image=pic,"
        ))  # fmt: skip
        assert refused.exit_code == 2
        assert f"--columns {wrong}" in refused.output


def test_a_column_of_a_mixture_is_refused_by_name(tmp_path: Path) -> None:
    """What only the data could have was dropped without a word."""
    row = {"id": "x", "problem": "Where is it?", "solution": [1, 2, 9, 9], "fmt": "norm1000"}
    sized = {**row, "image": "1.png", "width": 50, "height": 50}
    (tmp_path / "golds.jsonl").write_text(json.dumps(sized))
    data = tmp_path / "mixture.yaml"
    entry = "datasets:\n  - json_path: golds.jsonl\n"
    data.write_text(entry)
    completions = tmp_path / "rows.jsonl"
    reply = "<answer>[0.05, 0.1, 0.45, 0.45]</answer>"
    completions.write_text(json.dumps({"key": "x", "completion": reply}))
    args = ("refcoco_val", "-c", completions, "--data", data, "-o", tmp_path / "o")
    refused = bench(*args, "--columns", "id=key,gold_frame=fmt")
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "--columns gold_frame=fmt: a mixture says the columns of each of its data sets" in said
    data.write_text(entry + "    columns: gold_frame=fmt\n")
    result = bench(*args, "--columns", "id=key")
    assert result.exit_code == 0, result.output
    assert results(tmp_path / "o")["refcoco_val"]["acc"] == 1


def test_data_without_rows_are_said_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Parquet file can be, which needs an extra."""
    monkeypatch.setattr("vlreward.data.loaders.open_rows", lambda *_, **__: [])
    completions, data = tmp_path / "rows.jsonl", tmp_path / "golds.jsonl"
    completions.write_text(json.dumps({"id": "x", "completion": "<answer>[1, 2, 3, 4]</answer>"}))
    data.touch()
    args = ("refcoco_val", "-c", completions, "--data", data, "-o", tmp_path / "o")
    done = bench(*args, "--columns", "gold=box")
    assert done.exit_code == 2
    assert "expected rows, got none" in done.output


def test_numbers_over_other_questions_say_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"question": "?", "gold": 3, "completion": "<answer>3</answer>"}
    path.write_text("".join(json.dumps({**row, "id": i}) + "\n" for i in "aab"))
    result = bench("superclevr_test200", "-c", path, "-o", tmp_path / "o")
    assert "pass@1 100.00%, pass@2 100.00% (of 1), maj@2 100.00% (of 1)" in result.output
    notes = results(tmp_path / "o")["superclevr_test200"]["notes"]
    assert any("over all 3 answers, pass@1 over 2, pass@2 over 1 questions" in n for n in notes)
