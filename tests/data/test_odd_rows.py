"""Rows as people have them, and not as a format's description has them: read, or refused with why.

Forms are those of ms-swift 2 (its documents, Custom-dataset), lmms-eval's RefCOCO, Gemini's and
Pascal VOC's boxes, LLaMA-Factory, verl, EasyR1 and tables saved by pandas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.cli import app
from vlreward.data import DataError, load
from vlreward.data.check import check_data
from vlreward.golds import unpack

OLD = [{"caption": "man", "bbox": [64, 96, 320, 288], "bbox_type": "real", "image": 0}]
QUERY = {"query": "Find <ref-object>", "response": "<bbox>", "images": ["a.png"]}
MESSAGES = [
    {"role": "user", "content": "<image>Find <ref-object>"},
    {"role": "assistant", "content": "At <bbox>."},
]
TWO = [{**OLD[0], "bbox": [[100, 200, 500, 600], [0, 0, 100, 100]], "bbox_type": "norm_1000"}]
LMMS = {"image": "a.png", "question": "Where?", "answer": ["man"], "bbox": [64, 96, 256, 192]}
PLAIN = {"image": "a.png", "problem": "Where?"}
COUNT = {"image": "a.png", "problem": "How many?"}
CHOICE = {"image": "a.png", "question": "Which?", "answer": "B"}
KIT = {"index": 1, "image": "a.png", "question": "Which?", "A": "red", "B": "blue", "C": None}
MAN = "(64, 96, 320, 288)"

# a row, options, and the gold in pixels as text
READ: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({**QUERY, "objects": json.dumps(OLD)}, {}, f"man {MAN}"),
    ({**QUERY, "objects": OLD}, {"task": "rec"}, MAN),
    ({"messages": MESSAGES, "images": ["a.png"], "objects": json.dumps(OLD)}, {}, f"man {MAN}"),
    ({**QUERY, "objects": json.dumps(TWO)}, {}, f"man {MAN}; man (0, 0, 64, 48)"),
    ({**LMMS, "iscrowd": 0}, {"columns": "gold=bbox", "gold_frame": "xywh", "task": "rec"}, MAN),
    (
        {**PLAIN, "solution": {"box_2d": [200, 100, 600, 500], "label": "man"}},
        {"columns": "gold=solution.box_2d", "gold_frame": "norm1000:yxyx", "task": "rec"},
        MAN,
    ),
    ({**PLAIN, "solution": "64, 96, 320, 288"}, {"task": "rec"}, MAN),
    ({**PLAIN, "solution": [[64, 96, 320, 288]]}, {"task": "rec"}, MAN),
    ({**COUNT, "solution": "3.0", "id": 7.0}, {"task": "counting"}, "3"),
    ({**COUNT, "solution": " 3\n<|im_end|>"}, {"task": "counting"}, "3"),
    ({**COUNT, "solution": {"count": 3}}, {"task": "counting"}, "3"),
    ({"images": ["a.png"], "problem": "x?", "answer": "\\boxed{3}"}, {}, "\\boxed{3}"),
    ({**CHOICE, "options": ["red", "blue"]}, {}, "B. blue"),
    ({**CHOICE, "answer": "Blue.", "choices": ["A. red", "B. blue"]}, {}, "B. blue"),
    ({**CHOICE, "options": json.dumps({"A": "red", "B": "blue"})}, {}, "B. blue"),
    ({**CHOICE, "answer": 2, "choices": [1, 2, 3]}, {}, "B. 2"),
    ({**CHOICE, "answer": "3", "options": []}, {"task": "counting"}, "3"),
    ({**KIT, "answer": "B"}, {}, "B. blue"),
]

REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {**QUERY, "query": "Find <bbox>", "response": "<ref-object>", "objects": json.dumps(OLD)},
        {},
        r"'<ref-object>', which stands for what is in 'objects': --columns gold=objects",
    ),
    (
        {**QUERY, "objects": json.dumps([*OLD, {**OLD[0], "bbox_type": "norm_1"}])},
        {},
        r"expected all boxes in one frame, got the frames \['real', 'norm_1'\]",
    ),
    ({**QUERY, "objects": "nonsense"}, {}, r"expected boxes under one of .*'nonsense'"),
    (
        {**LMMS, "iscrowd": 0},
        {"columns": "gold=bbox", "task": "rec"},
        r"'bbox' beside 'iscrowd' may hold x, y, width, height.*--gold-frame xywh",
    ),
    (
        {**PLAIN, "ann": {"bbox": [64, 96, 256, 192], "category_id": 1}},
        {"columns": "gold=ann.bbox,question=problem,image=image", "task": "rec"},
        r"'ann.bbox' beside 'category_id' may hold x, y, width, height",
    ),
    (
        {**PLAIN, "solution": {"box_2d": [200, 100, 600, 500]}},
        {"task": "rec"},
        r"expected a gold with one of the keys .*got \{'box_2d'",
    ),
    (
        {**PLAIN, "solution": {"xmin": 64, "ymin": 96, "xmax": 320, "ymax": 288}},
        {"task": "rec"},
        r"expected a gold with one of the keys .*got \{'xmin'",
    ),
    ({**PLAIN, "solution": [1, 2, 30, 2, 30, 40, 1, 40]}, {"task": "rec"}, "expected four numbers"),
    ({**PLAIN, "solution": [[1, 2, 3, 4], [5, 6, 7, 8]]}, {"task": "rec"}, "expected four numbers"),
    ({**COUNT, "solution": "1,234"}, {"task": "counting"}, "valid integer, got"),
    ({**COUNT, "solution": True}, {"task": "counting"}, "valid integer, got True"),
    (
        {**COUNT, "solution": 3, "id": 7.5},
        {"task": "counting"},
        "a whole number, got 7.5",
    ),
    ({**COUNT, "solution": 3, "image": ["a.png", None]}, {"task": "counting"}, "path of an image"),
    ({**CHOICE, "answer": 1, "choices": ["red", "blue"]}, {}, "may count from 0 or from 1"),
    ({**CHOICE, "answer": "green", "choices": ["red", "blue"]}, {}, "to be one of .*got 'green'"),
    ({**KIT, "answer": "C"}, {}, "expected letters up to B"),
    (
        {**CHOICE, "question": "Which <|im_end|>?", "options": ["red", "blue"]},
        {},
        r"expected words in the question, got '<\|im_end\|>'",
    ),
    (
        {**PLAIN, "normal_caption": "man <|image_pad|>", "solution": [64, 96, 320, 288]},
        {"task": "rec"},
        r"expected words in the question, got '<\|image_pad\|>'",
    ),
    ({**KIT, "B": None, "C": "blue", "answer": "C"}, {}, "options A, B, ... without a gap"),
    (
        {"prompt": [{"role": "user", "content": "?"}], "images": ["a.png"], "reward_model": None},
        {"task": "counting"},
        r"expected a column 'reward_model.ground_truth'",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    return tmp_path


def _file(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


def _shown(gold: Any, target: Any) -> str:
    """A gold with its boxes in pixels."""
    if not gold.located:
        return str(gold.text())
    boxes = target if gold.task == "detection" else [(target, "")]
    corners = [f"({', '.join(f'{v:g}' for v in box)})" for box, _ in boxes]
    return "; ".join(f"{name} {box}".strip() for box, (_, name) in zip(corners, boxes))


@pytest.mark.parametrize(("row", "options", "gold"), READ)
def test_odd_rows_are_read_checked_and_packed_alike(
    row: dict[str, Any], options: dict[str, Any], gold: str, folder: Path
) -> None:
    path = _file(folder, row)
    (sample,) = load(path, image_root=folder, **options)
    assert _shown(sample.gold, sample.target) == gold
    assert check_data(path, image_root=folder, **options).problems == ()
    command = ["pack", str(path), str(folder / "out.jsonl"), "--image-root", str(folder)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    done = CliRunner().invoke(app, [*command, "--family", "qwen3-vl"])
    assert done.exit_code == 0, done.output
    (again,) = load(folder / "out.jsonl", image_root=folder)
    assert _shown(again.gold, again.target) == gold


@pytest.mark.parametrize(("row", "options", "message"), REFUSED)
def test_odd_rows_that_could_mean_two_things_are_refused_at_every_door(
    row: dict[str, Any], options: dict[str, Any], message: str, folder: Path
) -> None:
    path = _file(folder, row)
    with pytest.raises(DataError, match=message):
        load(path, image_root=folder, **options)
    found = check_data(path, image_root=folder, **options)
    assert found.problems
    assert any("line 1" in problem for problem in found.problems)


def test_what_keeps_the_task_from_being_told_is_said(folder: Path) -> None:
    """The rows that could not be read were left out of the message."""
    row = {**QUERY, "query": "Find <bbox>", "response": "<ref-object>", "objects": "[]"}
    with pytest.raises(DataError, match=r"cannot tell the task.*\n  line 1: .*'<ref-object>'"):
        load(_file(folder, row), image_root=folder)


def test_packed_boxes_of_older_files_keep_their_image(folder: Path) -> None:
    Image.new("RGB", (64, 48)).save(folder / "b.png")
    row = {**QUERY, "images": ["b.png", "a.png"], "objects": json.dumps([{**OLD[0], "image": 1}])}
    path = _file(folder, row)
    command = ["pack", str(path), str(folder / "out.jsonl"), "--image-root", str(folder)]
    done = CliRunner().invoke(app, [*command, "--family", "qwen3-vl"])
    assert done.exit_code == 0, done.output
    packed = json.loads((folder / "out.jsonl").read_text())["solution"]
    envelope = unpack(packed, "detection")
    assert (envelope.image_index, envelope.image_size) == (1, (640, 480))


@pytest.mark.parametrize(
    ("row", "question"),
    [
        ({**CHOICE, "options": ["red", "blue"]}, "Which?\n(A) red\n(B) blue"),
        ({**CHOICE, "choices": ["A. red", "B. blue"]}, "Which?\n(A) red\n(B) blue"),
        ({**KIT, "question": "<image>\nWhich?", "answer": "B"}, "Which?\n(A) red\n(B) blue"),
        (
            {**CHOICE, "question": "Which?\nA. red\nB. blue", "options": ["red", "blue"]},
            "Which?\nA. red\nB. blue",
        ),
        (
            {**CHOICE, "question": "Which? (A) red (B) blue", "options": ["red", "blue"]},
            "Which? (A) red (B) blue",
        ),
        ({**KIT, "answer": "B", "hint": "Look."}, "Look.\nWhich?\n(A) red\n(B) blue"),
    ],
)
def test_a_choice_is_asked_with_its_options_once(
    row: dict[str, Any], question: str, folder: Path
) -> None:
    """Rows with options were read, by --columns, as questions without them."""
    (sample,) = load(_file(folder, row), image_root=folder)
    assert sample.question == question
