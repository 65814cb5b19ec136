"""Golds that say themselves how they are meant, read and packed as users' rows have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.cli import app
from vlreward.data import DataError, load
from vlreward.data.check import check_data
from vlreward.frames import Frame
from vlreward.geometry import Box
from vlreward.golds import pack, unpack
from vlreward.types import Sample

Write = Callable[[Any], Path]
ANNOTATION = {"bbox": [300, 200, 50, 50], "area": 2500}
CORNERS = Box(300, 200, 350, 250)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (1000, 800)).save(tmp_path / name)

    def written(value: Any) -> Path:
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        return path

    return written


def _swift(objects: Any, user: str = "<image>Find it", said: str = "<bbox>") -> dict[str, Any]:
    turns = [("user", user), ("assistant", said)]
    messages = [{"role": role, "content": text} for role, text in turns]
    return {"messages": messages, "images": ["a.png"], "objects": objects}


@pytest.mark.parametrize("option", [None, "original_px:xywh", "original_px:cxcywh"])
def test_cocos_boxes_are_neither_suspicious_nor_converted_twice(
    write: Write, option: str | None
) -> None:
    boxes = [[300, 200, 50, 50], [500, 300, 40, 40], [10, 20, 300, 400]]
    path = write(
        {
            "images": [
                {"id": i, "file_name": "a.png", "width": 1000, "height": 800} for i in range(3)
            ],
            "categories": [{"id": 1, "name": "cat"}],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
                for i, box in enumerate(boxes)
            ],
        }
    )
    data = load(path, gold_frame=option)
    assert not data.provenance.suspicious
    assert [sample.target[0][0] for sample in data] == [
        Box(x, y, x + w, y + h) for x, y, w, h in boxes
    ]


@pytest.mark.parametrize("option", [None, "original_px:xywh"])
@pytest.mark.parametrize(
    ("task", "gold"),
    [
        ("rec", ANNOTATION),
        ("rec", [{**ANNOTATION, "label": "cat"}]),
        ("pointing", ANNOTATION),
        ("detection", [ANNOTATION, {**ANNOTATION, "category_id": 3}][:1]),
        ("detection", {"bbox": [ANNOTATION["bbox"]], "area": [2500], "category": ["cat"]}),
        ("rec", json.dumps(ANNOTATION)),
    ],
)
def test_annotations_in_other_schemas_are_cocos(
    write: Write, task: str, gold: Any, option: str | None
) -> None:
    row = {"image": "a.png", "problem": "Where?", "solution": gold, "width": 1000, "height": 800}
    data = load(write([row]), task=task, gold_frame=option)
    assert not data.provenance.suspicious
    target: Any = data[0].target
    assert (target[0][0] if task == "detection" else target) == CORNERS


def test_a_box_of_no_size_is_not_taken_for_another_layout(write: Write) -> None:
    gold = {"bbox": [300, 200, 0, 50], "area": 0}
    row = {"image": "a.png", "problem": "Where?", "solution": gold, "width": 1000, "height": 800}
    with pytest.raises(DataError) as caught:
        load(write([row]), task="rec")
    assert "xywh" not in str(caught.value)


def test_a_frame_beside_cocos_box_or_beside_each_box_of_a_list_is_read() -> None:
    share = {"bbox": [0.25, 0.5, 0.25, 0.25], "area": 1, "frame": "norm1"}
    gold: Any = unpack(share, "rec").gold
    assert (gold.frame, gold.box) == (Frame.NORM1, Box(0.25, 0.5, 0.5, 0.75))
    centre: Any = unpack({**share, "frame": "norm1:cxcywh"}, "rec").gold
    assert centre.box == Box(0.125, 0.375, 0.375, 0.625)
    both = [{"bbox_2d": [1, 2, 30, 40], "label": "x", "frame": "norm1000"}] * 2
    several: Any = unpack(both, "detection").gold
    assert several.frame is Frame.NORM1000
    with pytest.raises(ValueError, match="all boxes in one frame"):
        unpack([both[0], {"bbox_2d": [1, 2, 3, 4], "label": "x"}], "detection")
    outer: Any = unpack({"objects": {"bbox": [[1, 2, 30, 40]]}, "frame": "norm1000"}, "rec").gold
    assert outer.frame is Frame.NORM1000


def test_numbers_that_are_labels_are_not_converted_as_boxes(write: Write) -> None:
    gold = {"bbox": [[1, 2, 30, 40]] * 4, "category": [4, 3, 2, 1]}
    row = {"image": "a.png", "problem": "Find", "solution": gold, "width": 1000, "height": 800}
    (sample,) = load(write([row]), task="detection", gold_frame="xywh")
    assert [label for _, label in sample.target] == ["4", "3", "2", "1"]


def test_ms_swifts_names_for_all_boxes_or_for_none(write: Write, tmp_path: Path) -> None:
    boxes = [[10, 20, 30, 40], [50, 60, 80, 90]]
    path = write([_swift({"ref": ["sheep"], "bbox": boxes}), _swift({"ref": [], "bbox": boxes})])
    named, bare = load(path, image_root=tmp_path)
    assert [label for _, label in named.target] == ["sheep", "sheep"]
    assert [label for _, label in bare.target] == ["", ""]
    with pytest.raises(DataError, match="a label for each box"):
        load(write([_swift({"ref": ["a", "b"], "bbox": [*boxes, boxes[0]]})]), image_root=tmp_path)


def test_ms_swifts_points(write: Write, tmp_path: Path) -> None:
    objects = {"ref": [], "bbox": [[615, 226]]}
    thousandths = {**objects, "bbox_type": "norm1000", "radius": 5}
    rows = [_swift(objects), _swift(thousandths), _swift({"ref": [], "bbox": [[1, 2, 30, 40]]})]
    disc, small, box = load(write(rows), task="pointing", image_root=tmp_path)
    assert tuple(disc.target) == (615, 226, 14)
    assert tuple(small.target) == pytest.approx((615, 226 * 0.8, 5))
    assert box.target == Box(1, 2, 30, 40)


def test_ms_swifts_boxes_lie_in_the_first_image_by_default(write: Write, tmp_path: Path) -> None:
    row = {**_swift({"ref": ["x"], "bbox": [[1, 2, 30, 40]]}), "images": ["a.png", "b.png"]}
    (sample,) = load(write([row]), image_root=tmp_path)
    assert sample.image == "a.png"


@pytest.mark.parametrize("said", ["A dog.", "<bbox>"])
def test_a_box_of_the_question_is_no_gold(write: Write, tmp_path: Path, said: str) -> None:
    row = _swift({"ref": [], "bbox": [[1, 2, 30, 40]]}, "<image>What is in <bbox>?", said)
    with pytest.raises(DataError, match=r"question has the box .*'solution'.*--columns gold="):
        load(write([row]), image_root=tmp_path)
    (sample,) = load(write([{**row, "solution": "45°"}]), image_root=tmp_path)
    assert sample.target == "45°"


@pytest.mark.parametrize(
    ("said", "of_objects"), [({"image_index": 1}, [0, 1]), ({"image_index": None}, [1])]
)
def test_the_index_of_a_row_counts_unless_it_is_null(
    write: Write, tmp_path: Path, said: dict[str, Any], of_objects: list[int]
) -> None:
    """A row that says it was refused for its objects; a null hid what they say."""
    objects = {"ref": [], "bbox": [[1, 2, 30, 40]], "image_id": of_objects}
    row = {"problem": "Where?", "solution": [1, 2, 30, 40], "objects": objects, **said}
    (sample,) = load(write([{**row, "images": ["a.png", "b.png"]}]), image_root=tmp_path)
    assert sample.image == "b.png"


def test_packed_rows_keep_the_index_of_the_image(write: Write, tmp_path: Path) -> None:
    row = {
        "problem": "<image><image>Where is it?",
        "answer": {"bbox_2d": [600, 20, 900, 200], "image_index": 1},
        "images": ["a.png", "b.png"],
    }
    path, target = write([row]), tmp_path / "packed.jsonl"
    command = ["pack", str(path), str(target), "--image-root", str(tmp_path)]
    done = CliRunner().invoke(app, [*command, "--family", "qwen2.5-vl"])
    assert done.exit_code == 0, done.output
    (before,), (after,) = load(path, image_root=tmp_path), load(target, image_root=tmp_path)
    kept = {"gold", "image", "images", "image_size", "question", "metadata"}
    assert before.image == "b.png"
    assert after.model_dump(include=kept) == before.model_dump(include=kept)


def test_columns_that_are_read_are_no_metadata(write: Write, tmp_path: Path) -> None:
    row = {"problem": "Where?", "answer": [1, 2, 30, 40], "images": ["a.png"], "fr": "norm1000"}
    path = write([{**row, "level": 3, "other": [5, 6, 70, 80]}])
    data = load(path, columns="gold_frame=fr", image_root=tmp_path)
    assert data.provenance.unread == ("level", "other")
    assert data[0].metadata == {"level": 3, "other": [5, 6, 70, 80]}
    replaced = load(path, columns="gold_frame=fr,gold=other", image_root=tmp_path)
    assert set(replaced.provenance.unread) == {"level", "answer"}


def test_a_check_shows_the_frame_of_each_gold(write: Write, tmp_path: Path) -> None:
    row = {"problem": "Where?", "images": ["a.png"]}
    golds = [{"bbox": [1, 2, 30, 40], "frame": "norm1000"}, [1, 2, 30, 40], [5, 6, 70, 80]]
    checked = check_data(write([{**row, "answer": gold} for gold in golds]), image_root=tmp_path)
    assert checked.facts["frame of golds"] == "original_px (2), norm1000 (1)"
    assert "gold: [1, 2, 30, 40] in norm1000" in checked.text()
    assert "gold: [1, 2, 30, 40] in original_px" in checked.text()


@pytest.mark.parametrize("gold", ["A", "(B)", "A, C"])
def test_a_letter_is_an_expression_only_where_the_task_says_so(write: Write, gold: str) -> None:
    row = {"problem": "Which?", "solution": gold}
    with pytest.raises(DataError, match=r"cannot tell the task: .*a letter .*--task"):
        load(write([row]))
    assert load(write([row]), task="choice")[0].task == "choice"
    assert load(write([row]), task="geometry")[0].target == gold
    assert load(write([{**row, "options": ["red", "blue", "green"]}]))[0].task == "choice"
    typed = {"image_path": "a.png", "question": "Which?", "ground_truth": gold}
    with pytest.raises(DataError, match=r"surely of one task.*--task"):
        load(write([typed]))


@pytest.mark.parametrize("as_text", [False, True])
def test_an_answer_beside_its_options_is_a_choice(write: Write, as_text: bool) -> None:
    gold: Any = {"answer": "B", "options": ["red", "blue"]}
    row = {"problem": "Which?", "solution": json.dumps(gold) if as_text else gold}
    (sample,) = load(write([row]))
    assert (sample.task, sample.gold.text()) == ("choice", "B. blue")


def test_the_guide_names_every_key_that_may_stand_beside_a_box() -> None:
    from vlreward.tasks import gold_boxes

    guide = (Path(__file__).parents[2] / "docs" / "your-data.md").read_text(encoding="utf-8")
    known = (*gold_boxes.LABEL_KEYS, "id", "score", "segmentation", "task", "caption")
    assert all(f"`{key}`" in guide for key in known)
    for key in known:
        unpack({"bbox_2d": [1, 2, 30, 40], key: "x"}, "rec")


@pytest.mark.parametrize("named", ["gold=answer", "gold=answer,question=question"])
def test_no_envelope_replaces_the_gold_that_is_named(write: Write, named: str) -> None:
    """The one under `ground_truth` did, silently."""
    packed = pack(Sample(id="1", gold=unpack(7, "counting").gold))
    row = {"image": "a.png", "question": "How many?", "answer": 3, "ground_truth": packed}
    rows = write([row])
    assert [sample.target for sample in load(rows, task="counting", columns=named)] == [3]
    assert [s.target for s in load(rows, columns="gold=ground_truth,question=question")] == [7]
