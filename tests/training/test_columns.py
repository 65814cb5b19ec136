"""Rows: one frame for the reward and the model, from every schema."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.answer_frames import AnswerFrames
from vlreward.data import DataError, load
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import unpack
from vlreward.prompts import PRESETS
from vlreward.resizing import Resizing
from vlreward.training.columns import COLUMNS, Rows

RESIZING = Resizing(28, 56 * 56, 401_408)


def _rows(dataset: Any, frame: Frame = Frame.INPUT_PX, **more: Any) -> Rows:
    prompts = {"rec": PRESETS["rec-r1"], "counting": PRESETS["r1-v"], "geometry": PRESETS["r1-v"]}
    return Rows(dataset, RESIZING, prompts, AnswerFrames(frame, **more))


def _file(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_rec_row_has_everything_in_the_frame_of_the_model(tmp_path: Path) -> None:
    Image.new("RGB", (640, 428), "red").save(tmp_path / "a.jpg")
    rows = [{"image": "a.jpg", "problem": "Where is the cup.", "solution": [64, 107, 320, 214]}]
    data = load(_file(tmp_path / "rec.json", rows), image_root=tmp_path)
    (row,) = _rows(data)
    assert tuple(row) == COLUMNS
    assert row["image"].size == (644, 420)  # smart_resize of Qwen2-VL, by the authors' example
    assert row["image_size"] == [640, 428]
    assert row["input_size"] == [644, 420]
    assert (row["task"], row["frame"], row["id"]) == ("rec", "input_px", "rec/1")
    envelope = unpack(row["solution"], "rec")
    assert list(envelope.gold.box) == [64, 107, 320, 214]  # type: ignore[attr-defined]
    assert (envelope.image_size, envelope.input_size) == (Size(640, 428), Size(644, 420))
    (message,) = row["prompt"]
    assert message["content"][0] == {"type": "image"}
    assert message["content"][1]["text"].startswith("Where is the cup. First output")


@pytest.mark.parametrize(
    ("name", "rows", "task", "gold"),
    [
        (
            "vlm-r1",
            [
                {
                    "image": "a.png",
                    "problem": "q.",
                    "normal_caption": "cup",
                    "solution": [1, 2, 30, 40],
                    "normalized_solution": [10, 20, 300, 400],
                    "dataset": "d",
                    "text_type": "t",
                    "height": 90,
                    "width": 100,
                }
            ],
            "rec",
            {"task": "rec", "box": [1, 2, 30, 40], "frame": "original_px"},
        ),
        (
            "vlm-r1 conversations",
            [
                {
                    "id": 1,
                    "image": "a.png",
                    "conversations": [
                        {"from": "human", "value": "<image>How many?"},
                        {"from": "gpt", "value": "3"},
                    ],
                }
            ],
            "counting",
            {"task": "counting", "count": 3},
        ),
        (
            "CLEVR-70k",
            [{"image": "a.png", "problem": "How many?", "solution": "<answer> 3 </answer>"}],
            "counting",
            {"task": "counting", "count": 3},
        ),
        (
            "GEOQA_R1V_Train_8K",
            [{"image": "a.png", "problem": "How large?", "solution": "<answer> 145° </answer>"}],
            "geometry",
            {"task": "geometry", "expression": "145°"},
        ),
        (
            "SuperCLEVR",
            [{"image_path": "a.png", "question": "How many?", "ground_truth": 5}],
            "counting",
            {"task": "counting", "count": 5},
        ),
        (
            "GeoQA",
            [{"image_path": "a.png", "question": "How large?", "ground_truth": "2\\sqrt{3}"}],
            "geometry",
            {"task": "geometry", "expression": "2\\sqrt{3}"},
        ),
    ],
)
def test_every_training_schema_becomes_columns(
    name: str, rows: list[dict[str, Any]], task: str, gold: dict[str, Any], tmp_path: Path
) -> None:
    """Rows as the published files have them."""
    Image.new("RGB", (100, 90)).save(tmp_path / "a.png")
    data = load(_file(tmp_path / "x.json", rows), task=task, image_root=tmp_path)
    (row,) = _rows(data)
    assert (row["task"], row["image_size"], row["input_size"]) == (task, [100, 90], [112, 84])
    assert unpack(row["solution"], task).gold.model_dump(mode="json") == gold
    assert (row["frame"] is None) == (task != "rec")


def test_exif_orientation_is_applied_once_and_images_are_rgb(tmp_path: Path) -> None:
    upright = Image.new("RGB", (60, 120), "white")
    upright.paste("red", (0, 0, 60, 30))  # red above
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    turned.save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.new("LA", (60, 60)).save(tmp_path / "b.png")
    rows = [{"image_path": n, "question": "?", "ground_truth": 1} for n in ("a.jpg", "b.png")]
    data = load(_file(tmp_path / "x.json", rows), image_root=tmp_path)
    first, second = _rows(data)
    assert first["image_size"] == [60, 120]
    red, green, blue = first["image"].getpixel((28, 5))
    assert red > 200 > 100 > green
    assert blue < 100
    assert first["image"].getpixel((28, 100))[1] > 200
    assert second["image"].mode == "RGB"


def test_a_declared_frame_and_order_win_over_those_of_the_rows(tmp_path: Path) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "a.png")
    rows = [{"image": "a.png", "problem": "q.", "solution": [1, 2, 30, 40]}]
    data = load(_file(tmp_path / "x.json", rows), image_root=tmp_path)
    declared = {"frame": Frame.NORM999, "axis_order": "yx", "metadata": {"source": "s"}}
    sample = data[0].model_copy(update=declared)
    row = _rows(data, axis_order="xy").row(sample)
    assert (row["frame"], row["axis_order"]) == ("norm999", "yx")
    envelope = unpack(row["solution"], "rec")
    assert (envelope.frame, envelope.axis_order) == (Frame.NORM999, "yx")
    assert envelope.metadata == {"source": "s"}
    row = _rows(data, Frame.NORM1, axis_order="xy", over_rows=True).row(sample)
    assert (row["frame"], row["axis_order"]) == ("norm1", "xy")
    bare = _rows(data, axis_order="yx").row(data[0])
    assert (bare["frame"], bare["axis_order"]) == ("input_px", "yx")


def test_an_image_of_another_size_than_its_row_says_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "a.png")
    row = {"image": "a.png", "problem": "q.", "solution": [1, 2, 30, 40], "width": 90}
    data = load(_file(tmp_path / "x.json", [{**row, "height": 100}]), image_root=tmp_path)
    with pytest.raises(DataError, match=r"row 1: .* has 100 x 90 .*EXIF.* says 90 x 100"):
        _rows(data)[:]


def test_an_image_that_vanishes_names_file_and_row(tmp_path: Path) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "a.png")
    rows = [{"image_path": "a.png", "question": "?", "ground_truth": 1}]
    data = load(_file(tmp_path / "x.json", rows), image_root=tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"x\.json: bad row\n  row 1: .*does not exist"):
        _rows(data)[:]


def test_rows_survive_pickling_for_the_workers_of_a_data_loader(tmp_path: Path) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "a.png")
    rows = [{"image_path": "a.png", "question": "?", "ground_truth": 1}]
    data = load(_file(tmp_path / "x.json", rows), image_root=tmp_path)
    rows = pickle.loads(pickle.dumps(_rows(data)))
    assert rows[0]["input_size"] == [112, 84]
