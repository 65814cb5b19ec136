"""Recorded completions as scripts and tables have them: scored right, or refused with why."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.answer_frames import AnswerFrames
from vlreward.bench.cli import app
from vlreward.bench.completions_file import RecordedFile, read_recorded
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.families import FAMILIES
from vlreward.frames import Frame
from vlreward.scoring import score_batch
from vlreward.tasks import get_task

BOX = "<answer>[64, 96, 320, 288]</answer>"
REC: dict[str, Any] = {"question": "Where?", "gold": [64, 96, 320, 288], "completion": BOX}
COUNT: dict[str, Any] = {"question": "How many?", "gold": 3, "completion": "<answer>3</answer>"}
SIZE: dict[str, Any] = {"width": 640, "height": 480}


def _lines(folder: Path, *rows: Any) -> Path:
    path = folder / "said.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _table(folder: Path, *rows: dict[str, Any]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "said.csv"
    path.write_text(text.getvalue())
    return path


def _log(folder: Path, *samples: dict[str, Any]) -> Path:
    path = folder / "said.eval"
    with zipfile.ZipFile(path, "w") as archive:
        for number, sample in enumerate(samples):
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    return path


def _right(file: RecordedFile, task: str) -> list[bool]:
    rows = file.rows
    scores = score_batch(
        get_task(task), [row.completion for row in rows], [row.sample for row in rows]
    )
    return [score.value >= 0.99 for score in scores]


ANSWERS: list[tuple[dict[str, Any], int]] = [
    # What a script took from the completion stands under `answer`, and was taken for the gold.
    ({"response": "<answer>4</answer>", "answer": "4", "gt_answer": "3"}, 3),
    ({"output": "<answer>4</answer>", "answer": "4", "gt": 3}, 3),
    ({"response": "<answer>4</answer>", "answer": "4", "expected_answer": "3"}, 3),
    ({"response": "<answer>4</answer>", "answer": "4", "target": "3"}, 3),
    ({"prediction": "<answer>4</answer>", "answer": "3", "label": "3"}, 3),
    ({"predict": "<answer>4</answer>", "label": "<answer>3</answer>"}, 3),
]


@pytest.mark.parametrize(("row", "gold"), ANSWERS)
def test_the_gold_is_the_gold_and_no_extracted_answer(
    row: dict[str, Any], gold: int, tmp_path: Path
) -> None:
    file = read_recorded(_lines(tmp_path, row), "counting")
    assert file.rows[0].sample.target == gold
    assert _right(file, "counting") == [False]


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"prediction": "<answer>4</answer>", "answer": "4", "label": "3"},
        {"task": "counting"},
        "got '4' under 'answer' and '3' under 'label': say which with --columns gold=answer",
    ),
    (
        {**REC, "gold": [0.1, 0.2, 0.5, 0.6], "bbox_format": "norm1"},
        {},
        "the column 'bbox_format' may say how the box is meant.*--columns gold_frame=bbox_format",
    ),
    (
        {"completion": BOX, "bbox": [64, 96, 256, 192], "iscrowd": 0},
        {"columns": "gold=bbox"},
        "'bbox' beside 'iscrowd' may hold x, y, width, height.*--gold-frame xywh",
    ),
    ({**REC, "frame": "percent"}, {}, "frame: Input should be 'original_px'"),
    ({**REC, "image_size": "640x480"}, {}, "image_size: expected a list of numbers"),
    (
        {"gold": 3, "reasoning_content": "long " * 9, "content": "<answer>3</answer>"},
        {"task": "counting"},
        "name them with --columns completion=content",
    ),
]


@pytest.mark.parametrize(("row", "options", "message"), REFUSED)
def test_what_could_mean_two_things_is_refused_with_the_remedy(
    row: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        read_recorded(_lines(tmp_path, row), **{"task": "rec", **options})


def test_columns_name_what_was_refused(tmp_path: Path) -> None:
    row: dict[str, Any] = {"completion": BOX, "gold": [0.1, 0.2, 0.5, 0.6], "bbox_format": "norm1"}
    row |= {"image_width": 640, "image_height": 480}
    columns = "gold_frame=bbox_format,width=image_width,height=image_height"
    file = read_recorded(_lines(tmp_path, row), "rec", columns=columns)
    assert file.rows[0].sample.image_size == (640, 480)
    assert _right(file, "rec") == [True]
    coco = {"completion": BOX, "bbox": [64, 96, 256, 192], "iscrowd": 0}
    file = read_recorded(_lines(tmp_path, coco), "rec", columns="gold=bbox", gold_frame="xywh")
    assert _right(file, "rec") == [True]


def test_a_table_says_true_sizes_and_lengths_as_texts(tmp_path: Path) -> None:
    """`truncated`, `correct` and `token_count` of a table were dropped, its sizes refused."""
    row = {"id": 1, "gold": "[64, 96, 320, 288]", "completion": BOX, "image_size": "[640, 480]"}
    more = {"input_size": "(644, 476)", "truncated": "True", "token_count": 12, "correct": "False"}
    other = {"id": 2.0, "truncated": "False", "correct": "1.0", "input_size": "", "token_count": ""}
    path = _table(tmp_path, row | more, row | more | other)
    first, second = read_recorded(
        path, "rec", frames=AnswerFrames(family=FAMILIES["qwen2.5-vl"])
    ).rows
    assert (first.sample.image_size, first.sample.input_size) == ((640, 480), (644, 476))
    assert (first.completion.truncated, first.completion.token_count) == (True, 12)
    assert (second.completion.truncated, second.completion.token_count) == (False, None)
    assert (first.correct, second.correct) == (False, True)
    assert second.sample.id == "2.0"  # a text of the table, which says no more than it holds
    assert read_recorded(_lines(tmp_path, COUNT | {"id": 2.0}), "counting").rows[0].sample.id == "2"


def test_a_frame_of_a_video_is_none_of_coordinates(tmp_path: Path) -> None:
    file = read_recorded(_lines(tmp_path, COUNT | {"frame": 12}), "counting")
    assert file.rows[0].sample.frame is None
    with pytest.raises(DataError, match="frame: Input should be"):
        read_recorded(_lines(tmp_path, REC | {"frame": 12}), "rec")


@pytest.mark.parametrize(
    "image",
    ["a.png", {"path": "a.png", "bytes": None}, {"url": "a.png"}, {"image_url": {"url": "a.png"}}],
)
def test_images_are_named_as_data_name_them(image: Any, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    path = _lines(tmp_path, {**REC, "completion": BOX, "images": [image], "frame": "norm1000"})
    file = read_recorded(path, "rec", images=ImageFolder(tmp_path))
    assert (file.rows[0].sample.image, file.rows[0].sample.image_size) == ("a.png", (640, 480))


def test_other_marks_between_columns_are_told(tmp_path: Path) -> None:
    path = tmp_path / "said.csv"
    path.write_text("id;gold;completion\n1;3;<answer>3</answer>\n")
    with pytest.raises(DataError, match=r"got one, 'id;gold;completion': is ';' what parts them"):
        read_recorded(path, "counting")


def test_results_by_id_and_an_accuracy_as_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    wrong = COUNT | {"completion": "<answer>4</answer>"}
    path.write_text(json.dumps({"accuracy": 0.5, "results": {"a": COUNT, "b": wrong}}))
    file = read_recorded(path, "counting")
    assert [row.sample.id for row in file.rows] == ["a", "b"]
    assert file.accuracy == 0.5
    path.write_text(json.dumps({"accuracy": 50.0, "results": [COUNT, wrong]}))
    assert read_recorded(path, "counting").accuracy == 0.5
    path.write_text(json.dumps({"accuracy": 1, "results": [COUNT | {"id": i} for i in range(200)]}))
    file = read_recorded(path, "counting")
    assert file.accuracy is None
    assert "records the accuracy 1: its rows do not tell whether it is a fraction" in file.notes[-1]


def test_what_an_inspect_log_knows_of_its_rows_is_read(tmp_path: Path) -> None:
    """Sizes and frames in a sample's metadata were refused as missing, or dropped."""
    said = {"role": "assistant", "content": "<answer>[100, 200, 500, 600]</answer>"}
    sample = {
        "id": 1, "epoch": 1, "input": "Where?", "target": "[64, 96, 320, 288]",
        "output": {"choices": [{"message": said, "stop_reason": "stop"}]},
        "metadata": {**SIZE, "image": "a.png", "frame": "norm1000", "level": 2, "gold": "a man"},
    }  # fmt: skip
    file = read_recorded(
        _log(tmp_path, sample), "rec", frames=AnswerFrames(family=FAMILIES["qwen2.5-vl"])
    )
    row = file.rows[0].sample
    assert (row.image, row.image_size, row.frame) == ("a.png", (640, 480), Frame.NORM1000)
    assert row.metadata == {"level": 2, "gold": "a man"}
    assert _right(file, "rec") == [True]


def test_a_run_written_as_inspect_logs_reads_back_as_it_was(tmp_path: Path) -> None:
    gold = {"bbox_2d": [100, 200, 500, 600], "frame": "norm1000"}
    rows = [REC | SIZE | {"id": "a", "image": "a.png"}, REC | SIZE | {"id": "b", "gold": gold}]
    path, out = _lines(tmp_path, *rows), tmp_path / "out"
    command = ["refcoco_val", "-c", str(path), "-o", str(out), "--format", "inspect"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (log,) = (out / "inspect").glob("*.eval")
    before, after = read_recorded(path, "rec").rows, read_recorded(log, "rec").rows
    keys = {"id", "gold", "image", "image_size"}
    for one, other in zip(before, after, strict=True):
        assert other.sample.model_dump(include=keys) == one.sample.model_dump(include=keys)
        assert other.completion.text == one.completion.text
