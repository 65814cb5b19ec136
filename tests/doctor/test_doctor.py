from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.bench.evaluate import sample_row
from vlreward.cli import app
from vlreward.data import DataError
from vlreward.doctor import Finding, Observation, diagnose, read_observations
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import unpack
from vlreward.rewards import TaskReward
from vlreward.training.traces import TraceFile
from vlreward.types import Completion, Sample

THINK = "<think>There.</think>"


def found(observations: list[Observation]) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(observations)}


def seen(value: float, **fields: Any) -> Observation:
    return Observation("a:1", fields.pop("completion", "text"), value, **fields)


def trace_row(step: int, prompt: str, exact: float, **fields: Any) -> dict[str, Any]:
    row = {
        "step": step,
        "id": prompt,
        "task": "counting",
        "completion": THINK + "<answer>4</answer>",
        "tokens": 12,
        "truncated": False,
        "terms": {"exact": exact, "format": 1.0},
        "value": exact + 1.0,
        "failure": None,
        "detail": None,
        "answer": 4,
    }
    return {**row, **fields}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- checks -------------------------------------------------------------------------------------


def test_zero_std_groups_by_step_and_prompt() -> None:
    rows = [
        *(seen(0.0, group=(1, "a")) for _ in range(4)),
        *(seen(2.0, group=(2, "a")) for _ in range(4)),
        *(seen(v, group=(1, "b")) for v in (0.0, 1.0)),
        seen(1.0, group=(1, "alone")),
    ]
    finding = found(rows)["zero_std"]
    assert (finding.value, finding.count, finding.of) == (2 / 3, 2, 3)
    assert finding.details["all at 0"] == 1
    assert finding.details["all at the best value"] == 1


def test_zero_std_without_groups_is_unknown() -> None:
    assert found([seen(0.0), seen(0.0)])["zero_std"].value is None


def test_failures_by_code() -> None:
    rows = [seen(0.0, failure="no_box"), seen(0.0, failure="no_box"), seen(0.0, failure="timeout")]
    results = found([*rows, seen(1.0)])
    assert results["failures"].value == 0.75
    assert results["failures"].details == {"no_box": 2, "timeout": 1}
    assert results["timeouts"].value == 0.25


def boxes(scale: float, declared: Frame) -> list[Observation]:
    size = Size(640, 480)
    return [
        seen(
            0.0,
            box=(i * scale, i * scale, (i + 50) * scale, (i + 50) * scale),
            frame=declared,
            image_size=size,
            input_size=Size(1960, 1484),
        )
        for i in range(0, 50, 5)
    ]


@pytest.mark.parametrize(
    ("scale", "declared", "fits"),
    [
        (10.0, Frame.ORIGINAL_PX, "norm999 or norm1000 or norm1024"),
        (0.01, Frame.NORM1000, "norm1"),
        (4.8, Frame.NORM1, "original_px"),
    ],
)
def test_boxes_in_another_frame_are_told_with_the_frame_that_fits(
    scale: float, declared: Frame, fits: str
) -> None:
    finding = found(boxes(scale, declared))["outside"]
    assert f"the boxes fit {fits} better than {declared.value}" in finding.note


def test_boxes_in_their_frame_get_no_suggestion() -> None:
    finding = found(boxes(4.0, Frame.ORIGINAL_PX))["outside"]
    assert finding.value == 0.0
    assert finding.note == ""


def test_unknown_sizes_suggest_nothing() -> None:
    rows = [seen(0.0, box=(0.0, 0.0, 50.0, 60.0), frame=Frame.ORIGINAL_PX)]
    assert "image sizes are not known" in found(rows)["outside"].note


def test_several_answers_boxes_and_repeated_tags() -> None:
    rows = [
        seen(0.0, failure="multiple_boxes"),
        seen(1.0, completion="<answer>4</answer><answer>4</answer>"),
        seen(1.0, completion="<answer>4</answer>"),
    ]
    assert found(rows)["multiple"].details == {"multiple_boxes": 1, "several answer tags": 1}


def test_truncation_flagged_or_from_open_tags() -> None:
    assert found([seen(0.0, truncated=True), seen(1.0, truncated=False)])["truncated"].value == 0.5
    guessed = found([seen(0.0, completion="<think>and"), seen(1.0)])["truncated"]
    assert guessed.value == 0.5
    assert "does not say" in guessed.note


def test_length_correlation_is_that_of_numpy_and_scipy() -> None:
    rows = [seen(float(v), tokens=t) for v, t in [(0, 9), (1, 7), (1, 4), (2, 4), (0, 8)]]
    finding = found(rows)["length_correlation"]
    # scipy.stats.spearmanr([0, 1, 1, 2, 0], [9, 7, 4, 4, 8]) of scipy 1.17.1
    assert finding.details["Spearman"] == pytest.approx(-0.892, abs=5e-4)
    assert finding.value == pytest.approx(0.892, abs=5e-4)
    assert found(rows[:1])["length_correlation"].value is None


def test_terms_that_contradict_each_other() -> None:
    rows = [
        seen(1.0, terms={"exact": 1.0, "format": 0.0}),
        seen(1.0, terms={"exact": 0.0, "format": 1.0}, failure="out_of_frame"),
        seen(1.0, terms={"exact": 0.0, "format": 1.0}),
        seen(2.0, terms={"exact": 1.0, "format": 1.0}),
    ]
    finding = found(rows)["disagreement"]
    assert finding.value == 0.5
    assert finding.details["format 1, exact 0"] == "2 (50.0%)"


def test_a_sampler_that_is_not_the_model(tmp_path: Path) -> None:
    rows = [trace_row(1, "a", 1.0, logp_difference=value) for value in (0.004, 0.4, None)]
    path = write(tmp_path / "rank-00000.jsonl", rows)
    finding = found(read_observations(path))["sampler"]
    assert (finding.value, finding.count, finding.of) == (0.202, 1, 2)
    assert [reason for reason, _ in finding.examples] == ["differs by 0.4"]
    for limit, code in (("0.1", 1), ("0.3", 0)):
        result = CliRunner().invoke(app, ["doctor", str(path), "--max-sampler", limit])
        assert result.exit_code == code
        assert "0.2 nats" in result.output
    bare = write(tmp_path / "rank-00001.jsonl", [trace_row(1, "a", 1.0)])
    assert found(read_observations(bare))["sampler"].value is None


# --- what it reads ------------------------------------------------------------------------------


def test_trace_directory_with_groups_over_ranks(tmp_path: Path) -> None:
    write(tmp_path / "rank-00000.jsonl", [trace_row(1, "a", 0.0)] * 2)
    write(tmp_path / "rank-00001.jsonl", [trace_row(1, "a", 1.0), trace_row(2, "a", 0.0)])
    results = found(read_observations(tmp_path))
    assert (results["zero_std"].count, results["zero_std"].of) == (0, 1)
    assert results["failures"].of == 4


def test_torn_lines_are_left_out_and_said(tmp_path: Path) -> None:
    """One in the middle, of a run that was killed and went on, ended the report."""
    path = write(tmp_path / "rank-00000.jsonl", [trace_row(1, "a", 0.0)] * 2)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + '{"step": 1, "comp' + lines[1] * 2 + '{"step": 3, "comp')
    said: list[str] = []
    for where in (path, tmp_path):
        seen = [one.where for one in read_observations(where, say=said.append)]
        assert seen == ["rank-00000.jsonl:1", "rank-00000.jsonl:3"]
    assert said == [f"{path}: left out 2 torn lines: lines 2, 4"] * 2
    result = run(str(tmp_path), "--json")
    report = json.loads(result.stdout)
    assert (report["completions"], report["notes"]) == (2, said[:1])
    assert result.stderr == f"warning: {said[0]}\n"


def test_a_file_of_an_unfinished_run_has_no_torn_lines_but_its_last(tmp_path: Path) -> None:
    row = {name: value for name, value in trace_row(0, "a", 0.0).items() if name != "step"}
    path = write(tmp_path / "unfinished_x.jsonl", [row] * 2)
    path.write_text(path.read_text() + '{"id": "b", "comp')
    assert len(read_observations(path)) == 2
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DataError, match="line 3, column 13: expected JSON"):
        read_observations(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"completion": None}, r"line 1: 'completion': expected a text, got None"),
        ({"terms": {"iou": None}}, r"line 1: 'terms.iou': expected a finite number"),
        ({"value": "1"}, r"line 1: 'value': expected a finite number, got '1'"),
        ({"frame": "pixels"}, r"line 1: expected a frame, one of original_px, .*, got 'pixels'"),
    ],
)
def test_bad_rows_name_the_line(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rank-00000.jsonl", [trace_row(1, "a", 0.0, **fields)])
    with pytest.raises(DataError, match=message):
        read_observations(path)


@pytest.mark.parametrize("written", ["a trace", "recorded completions"])
def test_boxes_that_are_written_y_first_lie_in_their_frame(written: str, tmp_path: Path) -> None:
    """A right answer was called outside, and other frames were said to fit."""
    box = [300, 10, 380, 60]
    row: dict[str, Any] = {
        "completion": f"{THINK}<answer>{json.dumps({'bbox_2d': box})}</answer>",
        "task": "rec",
        "frame": "input_px",
        "axis_order": "yx",
        "image_size": [100, 400],
        "input_size": [100, 400],
    }
    if written == "a trace":
        row |= {"step": 1, "id": "a", "answer": box, "value": 2.0}
        row["terms"] = {"iou": 1.0, "format": 1.0}
    else:
        row |= {"gold": [10, 300, 60, 380], "gold_frame": "original_px"}
    name = "rank-00000.jsonl" if written == "a trace" else "rows.jsonl"
    (one,) = read_observations(write(tmp_path / name, [row]), task="rec")
    assert one.box == (10.0, 300.0, 60.0, 380.0)
    assert (one.value, found([one])["outside"].value) == (2.0, 0.0)


@pytest.mark.parametrize("written", ["a trace", "a run"])
def test_a_box_that_names_its_coordinates_has_them_in_a_file_too(
    written: str, tmp_path: Path
) -> None:
    """Its numbers alone were kept, and read in the order that the model was declared to write."""
    answer = json.dumps({"xmin": 10, "ymin": 20, "xmax": 300, "ymax": 400})
    reward = TaskReward("rec", frame="original_px", axis_order="yx")
    text = f"{THINK}<answer>{answer}</answer>"
    gold = [10, 20, 300, 400]
    columns: dict[str, Any] = {
        "image_size": [(320, 410)],
        "axis_order": ["yx"],
        "frame": ["original_px"],
    }
    (score,) = reward.scores([text], [gold], **columns)
    assert score is not None
    assert score.terms["iou"] == 1
    if written == "a trace":
        TraceFile(str(tmp_path)).write("rec", [text], [score], columns)
    else:
        sample = Sample(
            id="1",
            gold=unpack(gold, "rec").gold,
            image_size=Size(320, 410),
            frame=Frame.ORIGINAL_PX,
            axis_order="yx",
        )
        row = sample_row(sample, Completion(text), score)
        (tmp_path / "samples_rec.jsonl").write_text(row.model_dump_json() + "\n")
    (one,) = read_observations(tmp_path)
    assert (one.box, found([one])["outside"].value) == ((10, 20, 300, 400), 0)


def test_the_order_of_the_axes_can_be_declared_as_the_frame_can(tmp_path: Path) -> None:
    row = {
        "completion": f"{THINK}<answer>[300, 10, 380, 60]</answer>",
        "gold": [10, 300, 60, 380],
        "width": 100,
        "height": 400,
    }
    path = str(write(tmp_path / "rows.jsonl", [row]))
    words = [path, "--task", "rec", "--frame", "original_px", "--max-outside", "0"]
    assert run(*words).exit_code == 1
    assert run(*words, "--axis-order", "yx").exit_code == 0


def test_the_directory_of_a_training_run_is_read_by_its_traces(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    write(tmp_path / "traces" / "rank-00000.jsonl", [trace_row(0, "a", 1.0)])
    (seen,) = read_observations(tmp_path)
    assert seen.terms == {"exact": 1.0, "format": 1.0}


def test_a_box_outside_its_frame_in_a_trace(tmp_path: Path) -> None:
    fields = {"frame": "norm1000", "answer": [10, 20, 1200, 700], "image_size": [640, 480]}
    row = trace_row(1, "a", 0.0, task="rec", failure="out_of_frame", **fields)
    (o,) = read_observations(write(tmp_path / "rank-00000.jsonl", [row]))
    assert (o.frame, o.box, o.image_size) == (Frame.NORM1000, (10, 20, 1200, 700), (640, 480))


def test_samples_of_a_benchmark_run(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "task": "rec",
        "image_size": [640, 480],
        "frame": "norm1000",
        "completion": "<answer>[1, 2, 1200, 4]</answer>",
        "truncated": False,
        "token_count": None,
        "answer": None,
        "raw_answer": [1, 2, 1200, 4],
        "failure": {"code": "out_of_frame", "detail": "expected a box", "span": None},
        "value": 0.0,
        "terms": {"iou": 0.0, "format": 0.0},
    }
    write(tmp_path / "samples_refcoco_val.jsonl", [row])
    (o,) = read_observations(tmp_path)
    assert (o.failure, o.box, o.frame) == ("out_of_frame", (1, 2, 1200, 4), Frame.NORM1000)


def test_recorded_completions_are_scored(shared_data: Path) -> None:
    (file,) = (shared_data / "recorded/counting").glob("*_r1_100.json")
    with pytest.raises(DataError, match="name their task with --task"):
        read_observations(file)
    results = found(read_observations(file, task="counting"))
    recorded = json.loads(file.read_text())["results"]
    assert results["failures"].of == len(recorded) == 200
    # Bare answers, without the thinking that the format asks for.
    bare = sum(not row["model_output"].startswith("<think>") for row in recorded)
    assert results["disagreement"].count <= bare
    assert results["disagreement"].count > 50


def test_the_traces_that_the_training_backends_write(tmp_path: Path) -> None:
    reward = TaskReward("counting")
    completions = [THINK + "<answer>4</answer>", "none"]
    scores = reward.scores(completions, solution=[4, 4])
    trace = TraceFile(str(tmp_path))
    trace.write("counting", completions, scores, {"id": ["q", "q"], "truncated": [False, True]})
    results = found(read_observations(tmp_path))
    assert results["failures"].details == {"truncated": 1} or results["failures"].count == 1
    assert results["zero_std"].value == 0.0
    assert results["truncated"].value == 0.5


# --- the command --------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_exit_codes(tmp_path: Path) -> None:
    path = str(write(tmp_path / "rank-00000.jsonl", [trace_row(1, "a", 0.0)] * 4))
    assert run(path).exit_code == 0
    assert run(path, "--max-zero-std", "1").exit_code == 0
    over = run(path, "--max-zero-std", "0.5", "--max-failures", "0.2")
    assert over.exit_code == 1
    assert "100.0%" in over.output
    samples = str(write(tmp_path / "samples_x.jsonl", [trace_row(1, "a", 0.0)]))
    unknown = run(samples, "--max-zero-std", "0.5")
    assert unknown.exit_code == 2
    assert "cannot be checked: zero-std: no prompt has several completions" in unknown.output
    assert run(str(tmp_path / "none")).exit_code == 2


def test_json(tmp_path: Path) -> None:
    path = str(write(tmp_path / "rank-00000.jsonl", [trace_row(1, "a", 0.0)] * 4))
    result = run(path, "--json", "--max-zero-std", "0.5")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["exceeded"] == ["zero_std"]
    assert report["findings"]["zero_std"]["value"] == 1.0
    assert report["findings"]["zero_std"]["examples"][0]["completion"].startswith(THINK)


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    hostile = "\x1b[31m[bold red]x[/bold red]\x07[/nothing]\u202eabc\r\n\x9b2J[link=file:///]"
    row = trace_row(1, hostile, 0.0, completion=hostile, failure="no_answer", detail=hostile)
    row["task"] = hostile
    path = write(tmp_path / "rank-00000.jsonl", [row] * 2)
    output = run(str(path), "--examples", "3").output
    assert "\x1b" not in output
    assert not {"\x07", "\x9b", "\u202e", "\r"} & set(output)
    assert "[bold red]" in output
    assert r"\x1b[31m" in output


@pytest.mark.parametrize(
    ("gold", "count", "words"),
    [
        ((10.0, 20.0, 600.0, 470.0), 0, ""),
        ((10.0, 20.0, 641.0, 481.0), 0, ""),
        ((0.1, 0.2, 0.5, 0.6), 10, "fit: --gold-frame norm1;"),
        ((100.0, 200.0, 900.0, 1000.0), 10, "--gold-frame norm1000"),
        ((100.0, 200.0, 1900.0, 1000.0), 10, "the image, or its size, is another one"),
        ((-30.0, 0.0, 100.0, 100.0), 10, "no frame holds negative coordinates"),
    ],
)
def test_golds_outside_their_image_or_within_one_pixel_are_named(
    gold: tuple[float, float, float, float], count: int, words: str
) -> None:
    rows = [seen(0.0, gold=gold, image_size=Size(640, 480)) for _ in range(10)]
    finding = found(rows)["golds"]
    assert (finding.count, finding.of) == (count, 10)
    assert words in finding.note
    assert found([seen(0.0)])["golds"].value is None


def test_golds_of_recorded_completions_are_looked_at(tmp_path: Path) -> None:
    row = {"ground_truth": [0.1, 0.2, 0.5, 0.6], "completion": "<answer>[1, 2, 3, 4]</answer>",
           "width": 640, "height": 480}  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for _ in range(3)))
    findings = {f.name: f for f in diagnose(read_observations(path, task="rec"))}
    assert findings["golds"].value == 1.0
    assert "--gold-frame norm1" in findings["golds"].note


def test_the_remedies_that_it_names_are_its_options(tmp_path: Path) -> None:
    """It named --gold-frame and --columns, and knew neither."""
    row = {"truth": [0.1, 0.2, 0.5, 0.6], "said": "<answer>[64, 96, 320, 288]</answer>"}
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    path = write(tmp_path / "rows.jsonl", [{**row, "image": "a.png"}] * 3)
    refused = run(str(path), "--task", "rec")
    assert refused.exit_code == 2
    named = ("--task", "rec", "--columns", "completion=said,gold=truth")
    assert named[-1] in refused.output
    given = ("--gold-frame", "norm1", "--image-root", str(tmp_path))
    done = run(str(path), *named, *given, "--max-golds", "0", "--max-failures", "0", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["findings"]
    assert (found["golds"]["value"], found["failures"]["value"]) == (0, 0)
    scored = write(tmp_path / "rank-00000.jsonl", [{"completion": "x", "terms": {}, "step": 1}])
    refused = run(str(scored), *named)
    assert refused.exit_code == 2
    assert "--columns and --gold-frame are for recorded completions" in refused.output


def test_rollouts_that_verl_recorded_have_groups(root: Path) -> None:
    path = root / "tests" / "cases" / "data" / "recorded" / "verl_rollout.jsonl"
    over = run(str(path), "--task", "counting", "--max-zero-std", "0.4")
    assert over.exit_code == 1
    assert "50.0%" in over.output
