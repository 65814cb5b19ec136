"""Rows as the trainers and the published data sets write them, read and packed without options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.cli import app
from vlreward.data import DataError, UnknownSchemaError, load
from vlreward.errors import OptionError
from vlreward.geometry import Box

ROWS = Path(__file__).parent.parent / "cases" / "data" / "rows"
DOG = Box(120.5, 80, 400, 300.25)
SHEEP = ((Box(90.9, 160.8, 135, 212.8), "羊"), (Box(360.9, 300.8, 495, 432.8), "羊"))
FILES: list[tuple[str, list[str], str, list[Any]]] = [
    ("verl_geo3k.jsonl", [], "verl", ["2\\sqrt{221}", "13"]),
    ("verl_boxes.jsonl", [], "verl", [DOG, Box(10, 20, 200, 220)]),
    ("easyr1.jsonl", ["--task", "counting"], "easyr1", [3, 10]),
    ("swift_solution.jsonl", ["--task", "counting"], "swift", [4, 7]),
    ("swift_objects_real.jsonl", [], "swift-objects", [SHEEP, ((SHEEP[0][0], "dog"),)]),
    ("swift_objects_norm1.jsonl", [], "swift-objects", [SHEEP, ((SHEEP[0][0], "dog"),)]),
    ("swift_objects_norm1000.jsonl", [], "swift-objects", [SHEEP, ((SHEEP[0][0], "dog"),)]),
    (
        "swift_objects_two_images.jsonl",
        ["--task", "rec"],
        "swift-objects",
        [Box(10, 12, 30, 40)],
    ),
    ("trl.jsonl", [], "trl", ["45°", "$x+1$"]),
    ("llama_factory_messages.json", ["--task", "counting"], "messages", [2, 1]),
    ("llama_factory_sharegpt.json", ["--task", "counting"], "conversations", [2, 1]),
    ("llama_factory_alpaca.json", ["--task", "counting"], "alpaca", [2, 0]),
    ("vlm_r1_rec.json", [], "rec", [DOG, Box(10, 20, 200, 220)]),
    ("vlm_r1_conversations.jsonl", ["--task", "counting"], "conversations", [0, 5]),
    ("vlm_r1_multi_image.jsonl", ["--task", "counting"], "conversations", [3, 1]),
    ("r1_v.jsonl", ["--task", "counting"], "problem-solution", [3, 10]),
    (
        "visual_rft_detection.jsonl",
        ["--gold-frame", "norm1000"],
        "problem-solution",
        [
            (
                (Box(90.88, 160.8, 135.04, 212.64), ""),
                (Box(360.96, 300.96, 494.72, 432.96), ""),
            ),
            ((Box(6.4, 9.6, 636.8, 470.4), ""),),
        ],
    ),
    ("visual_rft_grounding.jsonl", [], "rec", [Box(120, 80, 400, 300), Box(10, 20, 200, 220)]),
    ("coco_instances.json", [], "coco", [((DOG, "dog"),), ()]),
]
PLACES = {
    "verl": "reward_model.ground_truth",
    "easyr1": "answer",
    "swift": "solution",
    "swift-objects": "solution",
    "trl": "solution",
    "messages": "solution",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (640, 480)).save(folder / name)
    Image.new("RGB", (64, 48)).save(folder / "small.png")
    return folder


def _options(words: list[str]) -> dict[str, str]:
    names = (word.removeprefix("--").replace("-", "_") for word in words[::2])
    return dict(zip(names, words[1::2], strict=True))


def _close(found: Any, expected: Any) -> bool:
    if isinstance(expected, Box):
        return list(found) == pytest.approx(list(expected), abs=0.5)
    if isinstance(expected, tuple):
        return len(found) == len(expected) and all(
            label == name and _close(box, gold)
            for (box, label), (gold, name) in zip(found, expected, strict=True)
        )
    return bool(found == expected)


@pytest.mark.parametrize(("name", "words", "schema", "golds"), FILES, ids=[f[0] for f in FILES])
def test_read_by_one_command_and_packed_in_its_own_format(
    name: str, words: list[str], schema: str, golds: list[Any], root: Path, tmp_path: Path
) -> None:
    options = _options(words)
    data = load(ROWS / name, image_root=root, **options)  # type: ignore[arg-type]
    assert data.provenance.schema == schema
    assert all(map(_close, [sample.target for sample in data], golds)), list(data)
    for sample in data:
        tags = sample.question.count("<image>")
        assert sample.question.strip("<image>")
        assert tags in (0, len(sample.images))
    for sample in data:
        assert data.open_image(sample).size in ((640, 480), (64, 48))
    assert not data.provenance.suspicious

    target = tmp_path / "packed.jsonl"
    command = ["pack", str(ROWS / name), str(target), "--image-root", str(root)]
    done = CliRunner().invoke(app, [*command, "--family", "qwen2.5-vl", *words])
    assert done.exit_code == 0, done.output
    place = PLACES.get(schema, "ground_truth")
    packed = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    before = _rows(ROWS / name)
    for row, original in zip(packed, before, strict=True):
        value: Any = row
        for step in place.split("."):
            value = value[step]
        assert json.loads(value)["vlreward"] == 1
        outer = place.partition(".")[0]
        assert {k: v for k, v in row.items() if k != outer} == {
            k: v for k, v in original.items() if k != outer
        }
    # Read back without any option: tasks, frames and sizes stand in the envelopes.
    again = load(target, image_root=root)
    assert [s.target for s in again] == [s.target for s in data]
    assert [s.gold for s in again] == [s.gold for s in data]
    assert [(s.question, s.image, s.images) for s in again] == [
        (s.question, s.image, s.images) for s in data
    ]


def _rows(path: Path) -> list[dict[str, Any]]:
    from vlreward.data.rows import RowFile

    return [raw.value for raw in RowFile(path)]


def test_vlm_r1s_mixture(root: Path) -> None:
    data = load(ROWS / "vlm_r1.yaml", image_root=root)
    assert [s.target for s in data] == [DOG, Box(10, 20, 200, 220), 0]


def test_the_question_of_verl_is_the_one_without_instructions(root: Path) -> None:
    assert load(ROWS / "verl_geo3k.jsonl", image_root=root)[0].question == "Find x."


def test_several_images_keep_their_place_in_the_question(root: Path) -> None:
    both, placed = load(ROWS / "vlm_r1_multi_image.jsonl", image_root=root, task="counting")
    assert both.images == ("a.png", "b.png")
    assert placed.question.startswith("First: <image>\nSecond: <image>\n")
    (swift,) = load(ROWS / "swift_objects_two_images.jsonl", image_root=root)
    assert (swift.image, swift.images, swift.image_size) == (
        "small.png",
        ("a.png", "small.png"),
        (64, 48),
    )


def test_the_proposed_columns_read_the_rows(root: Path, tmp_path: Path) -> None:
    command = ["pack", str(ROWS / "own_columns.jsonl"), str(tmp_path / "out.jsonl")]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    _, _, after = refused.output.partition("--columns ")
    columns = after.split()[0]
    assert columns == "gold=gt_count,image=img_file,question=question_text"
    done = CliRunner().invoke(app, [*command, "--columns", columns])
    assert done.exit_code == 0, done.output
    data = load(ROWS / "own_columns.jsonl", columns=f"{columns},id=uid", where="difficulty<0.5")
    assert [(s.id, s.target, s.question, s.image) for s in data] == [
        ("r1", 3, "How many dogs?", "a.png")
    ]
    origin = data.provenance
    assert (origin.rows, origin.filtered, origin.unread) == (2, 1, ("difficulty", "level"))


def test_a_column_says_the_frame(root: Path) -> None:
    columns = "gold=target_box,image=picture,question=referring,gold_frame=box_frame"
    first, second = load(ROWS / "own_boxes.jsonl", columns=columns, image_root=root)
    assert _close(first.target, SHEEP[0][0])
    assert second.target == Box(90, 160, 135, 212)


@pytest.mark.parametrize(
    ("row", "proposed"),
    [
        (
            {"query_image": "a.png", "user_query": "Where is it?", "gt_bbox": [1, 2, 30, 40]},
            "gold=gt_bbox,image=query_image,question=user_query",
        ),
        ({"filepath": "a.png", "q": "How many?", "a": "x+3"}, "gold=a,image=filepath,question=q"),
        (
            {"messages": [{"role": "user", "content": "x?"}], "images": ["a.png"], "label": "x+3"},
            "gold=label,image=images,question=messages",
        ),
        (
            {"prompt": [{"role": "user", "content": "x?"}], "images": ["a.png"], "answer": "x+3"},
            "gold=answer,image=images,question=prompt",
        ),
        (
            {"image": "a.png", "meta": {"truth": "x+3"}, "question": "x?", "index": 4},
            "gold=meta.truth,image=image,question=question",
        ),
    ],
)
def test_what_is_proposed_reads_the_row(row: dict[str, Any], proposed: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(UnknownSchemaError, match=f"--columns {proposed} ") as caught:
        load(path)
    assert all(key in str(caught.value) for key in row)
    (sample,) = load(path, columns=proposed)
    assert (sample.image, sample.question) == ("a.png", sample.question or None)


def test_a_column_that_may_say_how_boxes_are_meant_is_not_ignored(tmp_path: Path) -> None:
    row = {"image": "a.png", "problem": "Where?", "solution": [10, 20, 30, 40]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{**row, "bbox_mode": "xywh"}]), encoding="utf-8")
    told = r"column 'bbox_mode' may say .*--columns gold_frame=bbox_mode"
    with pytest.raises(DataError, match=told):
        load(path)
    (sample,) = load(path, columns="gold_frame=bbox_mode")
    assert sample.target == Box(10, 20, 40, 60)
    with pytest.raises(OptionError, match="expected each field once"):
        load(path, columns="gold_frame=bbox_mode,gold_frame=bbox_mode")
    told = r"--columns frame=bbox_mode: which frame\? Of the gold's .*: gold_frame=bbox_mode"
    with pytest.raises(OptionError, match=told):
        load(path, columns="frame=bbox_mode")


def test_boxes_that_are_mostly_no_corners_name_the_option_first(tmp_path: Path) -> None:
    row = {"image": "a.png", "problem": "Where?", "width": 640, "height": 480}
    rows = [{**row, "solution": [300, 200, 100, 90]}, {**row, "solution": [30, 20, 100, 90]}]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(DataError, match="1 bad; what would fit: --gold-frame original_px:xywh; "):
        load(path)
    (first, _) = load(path, gold_frame="xywh")
    assert first.target == Box(300, 200, 400, 290)


@pytest.mark.parametrize("columns", ["question=msgs", "question=msgs,gold=solution"])
def test_the_system_message_of_a_named_question_is_kept(columns: str, tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Count."}]
    row = {"problem": "other", "solution": 3, "msgs": messages, "image": "a.png"}
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (sample,) = load(path, columns=columns, task="counting")
    assert (sample.question, sample.metadata["system"]) == ("Count.", "Be brief.")
    assert "msgs" not in sample.metadata


def test_the_assistants_turn_may_be_named_as_gold(tmp_path: Path) -> None:
    talk = [{"from": "human", "value": "<image>How many?"}, {"from": "gpt", "value": "3"}]
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"talk": talk, "image": "a.png"}) + "\n")
    (sample,) = load(path, columns="gold=talk,question=talk,image=image", task="counting")
    assert (sample.question, sample.target, sample.metadata) == ("How many?", 3, {})


@pytest.mark.parametrize(
    "token", ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|im_end|>", "<|endoftext|>"]
)
def test_tokens_that_models_do_not_read_as_text_are_no_question(tmp_path: Path, token: str) -> None:
    """A run died of the first, whenever its row was taken; others ended the user's turn."""
    Image.new("RGB", (60, 60)).save(tmp_path / "a.png")
    whole = "<|vision_start|><|image_pad|><|vision_end|>"
    rows = [
        {"image_path": "a.png", "question": question, "ground_truth": 1}
        for question in (f"{whole}How many?", f"How {token} many?")
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load(path, task="counting", image_root=tmp_path)
    (problem,) = caught.value.problems
    assert f"expected words in the question, got {token!r}" in str(problem)
    path.write_text(json.dumps(rows[:1]), encoding="utf-8")
    assert load(path, task="counting", image_root=tmp_path)[0].question == "How many?"
