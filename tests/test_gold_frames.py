"""How golds declare their coordinates, and what looks as if they were declared wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.answer_frames import AnswerFrames
from vlreward.bench.completions_file import read_recorded
from vlreward.data import load
from vlreward.data.framed import FramedGold, read_framed
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.geometry import Box, Size
from vlreward.gold_frames import GoldFrame, image_index, in_corners, suspicion
from vlreward.golds import is_envelope, pack, unpack
from vlreward.packing import pack_file
from vlreward.tasks.rec import BoxGold
from vlreward.types import Sample

SIZE = Size(640, 480)
TASKS = ("rec", "detection", "pointing")


def _read(value: Any, task: str = "rec", column: Any = None, option: Any = None) -> FramedGold:
    return read_framed(value, task, column, option, lambda what, fit: None)


def _box(task: str, value: Any) -> tuple[Frame, Box]:
    gold: Any = unpack(value, task).gold
    return gold.frame, gold.boxes[0] if task == "detection" else gold.box


@pytest.mark.parametrize("task", TASKS)
def test_a_key_beside_the_box_says_the_frame(task: str) -> None:
    box = [100, 200, 300, 400]
    for key, name, frame in (
        ("frame", "norm1000", Frame.NORM1000),
        ("bbox_type", "norm1000", Frame.NORM1000),
        ("bbox_type", "real", Frame.ORIGINAL_PX),
        ("frame", Frame.INPUT_PX, Frame.INPUT_PX),
    ):
        sizes = {"image_size": SIZE, "input_size": SIZE}
        gold: Any = unpack({"bbox": box, key: name}, task).gold
        assert gold.frame is frame
        gold.target(*sizes.values())
    assert _box(task, {"bbox": [100, 200, 30, 40], "frame": "original_px:xywh"}) == (
        Frame.ORIGINAL_PX,
        Box(100, 200, 130, 240),
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "beside_it", [{"frme": "norm1000"}, {"format": "xywh"}, {"coords": 1}, {"normalized": True}]
)
def test_a_key_that_nobody_knows_is_an_error(task: str, beside_it: dict[str, Any]) -> None:
    (key,) = beside_it
    with pytest.raises(ValueError, match=f"beside the box no keys but frame, .*got '{key}'"):
        unpack({"bbox": [1, 2, 30, 40], **beside_it}, task)


@pytest.mark.parametrize("task", TASKS)
def test_a_frame_that_nobody_knows_is_an_error(task: str) -> None:
    for key in ("frame", "bbox_type"):
        with pytest.raises(ValueError, match=r"gold frame: expected one of original_px.*'norm7'"):
            unpack({"bbox": [1, 2, 30, 40], key: "norm7"}, task)


def test_cocos_annotations_are_corner_and_size() -> None:
    annotation = {"bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0, "category_id": 3}
    assert _box("rec", annotation)[1] == Box(10, 20, 40, 60)
    assert _box("detection", [annotation])[1] == Box(10, 20, 40, 60)
    assert _box("pointing", annotation)[1] == Box(10, 20, 40, 60)


def test_the_objects_of_ms_swift_are_golds_of_every_task() -> None:
    objects = {"ref": ["dog"], "bbox": [[10, 20, 30, 40]], "bbox_type": "norm1000", "image_id": [1]}
    for task in ("rec", "detection"):
        assert _box(task, {"objects": objects}) == (Frame.NORM1000, Box(10, 20, 30, 40))
    assert image_index({"objects": objects}) == 1
    with pytest.raises(ValueError, match="all boxes in one image"):
        image_index({"objects": {**objects, "image_id": [0, 1]}})


def test_a_row_says_which_image_its_gold_lies_in_before_its_objects_do() -> None:
    bare = _read([10, 20, 30, 40])
    beside = _read({"bbox": [10, 20, 30, 40], "image_index": 1})
    two = {"objects": {"bbox": [[10, 20, 30, 40]] * 2, "image_id": [0, 1]}}
    assert bare.image_index({**two, "image_index": 1}) == 1
    assert bare.image_index(two, 0) == 0
    assert beside.image_index(two) == 1
    with pytest.raises(ValueError, match=r"objects: expected all boxes in one image.*image_index"):
        bare.image_index(two)
    one = {"objects": {"bbox": [[10, 20, 30, 40]], "image_id": [1]}}
    assert bare.image_index(one) == bare.image_index({**one, "image_index": None}) == 1
    assert bare.image_index({"image_index": 0, **one}) == 0
    assert bare.image_index({"image_id": 42}) is None  # a number of COCO's
    # Of a count the objects of its row say nothing, wherever they lie.
    assert _read(3, "counting").image_index(two) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("norm1000", GoldFrame(Frame.NORM1000)),
        ("xywh", GoldFrame(Frame.ORIGINAL_PX, "xywh")),
        ("norm1:cxcywh", GoldFrame(Frame.NORM1, "cxcywh")),
        ("norm1000:yxyx", GoldFrame(Frame.NORM1000, "yxyx")),
    ],
)
def test_declarations(text: str, expected: GoldFrame) -> None:
    assert GoldFrame.parse(text) == expected


@pytest.mark.parametrize("text", ["", "pixels", "norm1:wh", "xywh:xywh", "norm 1000"])
def test_what_declares_nothing(text: str) -> None:
    with pytest.raises(OptionError, match="gold frame: expected one of original_px"):
        GoldFrame.parse(text)


_number = st.floats(1, 400, allow_nan=False)


@given(_number, _number, _number, _number)
def test_every_layout_gives_the_same_corners(x: float, y: float, w: float, h: float) -> None:
    corners = pytest.approx([x, y, x + w, y + h])
    for layout, four in {
        "xyxy": [x, y, x + w, y + h],
        "xywh": [x, y, w, h],
        "cxcywh": [x + w / 2, y + h / 2, w, h],
        "yxyx": [y, x, y + h, x + w],
    }.items():
        frame = GoldFrame.parse(f"norm1000:{layout}")
        read = in_corners([{"bbox": four, "label": "x"}], frame).corners
        assert read[0]["bbox"] == corners


@pytest.mark.parametrize(
    ("value", "frame", "fit"),
    [
        ([0.1, 0.2, 0.5, 0.6], Frame.ORIGINAL_PX, "--gold-frame norm1"),
        ([{"bbox_2d": [0, 0, 1, 1]}], Frame.ORIGINAL_PX, "--gold-frame norm1"),
        ([700, 200, 900, 950], Frame.ORIGINAL_PX, "--gold-frame norm1000"),
        ([10, 20, 1010, 90], Frame.ORIGINAL_PX, "--gold-frame norm1024"),
        ([10, 20, 3000, 90], Frame.ORIGINAL_PX, "another one"),
        ([10, 20, 300, 90], Frame.NORM1, "--gold-frame norm1000"),
        ([300, 200, 100, 90], Frame.ORIGINAL_PX, "--gold-frame original_px:xywh"),
        ([0.5, 0.5, 0.2, 0.1], Frame.NORM1, "--gold-frame norm1:xywh"),
        ([-20, 0, 100, 90], Frame.ORIGINAL_PX, "negative"),
    ],
)
def test_what_looks_wrong_comes_with_the_option_that_fits(
    value: Any, frame: Frame, fit: str
) -> None:
    found = suspicion(value, frame, SIZE, 2)
    assert found is not None
    assert fit in found[1]


@pytest.mark.parametrize(
    ("value", "frame"),
    [
        ([0, 0, 641.5, 480], Frame.ORIGINAL_PX),
        ([0.1, 0.2, 0.5, 0.6], Frame.NORM1),
        ([700, 200, 900, 950], Frame.NORM1000),
        ([], Frame.ORIGINAL_PX),
        (None, Frame.ORIGINAL_PX),
        ({"polygon": [[1, 2], [30, 40], [5, 6]]}, Frame.ORIGINAL_PX),
    ],
)
def test_what_looks_right(value: Any, frame: Frame) -> None:
    assert suspicion(value, frame, SIZE, 2) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_json, st.sampled_from(list(Frame)))
def test_any_value_is_looked_at_without_a_crash(value: Any, frame: Frame) -> None:
    suspicion(value, frame, SIZE, 2)
    in_corners(value, GoldFrame(frame, "xywh"))


_PACKED = pack(Sample(id="1", gold=BoxGold(box=(64, 96, 320, 288)), image_size=SIZE))
# the gold, a column and the option; what they all mean is (64, 96, 320, 288) of 640 x 480
DECLARED: list[tuple[Any, str | None, str | None]] = [
    ([64, 96, 320, 288], None, None),
    ([100, 200, 500, 600], None, "norm1000"),
    ([100, 200, 500, 600], "norm1000", "norm1"),
    ({"bbox_2d": [100, 200, 500, 600], "frame": "norm1000"}, "norm1", "norm1"),
    ({"bbox": [64, 96, 256, 192], "area": 1}, "norm1", None),
    (_PACKED, "norm1", "norm1000"),
]


@pytest.mark.parametrize("door", ["data", "recorded", "packed"])
@pytest.mark.parametrize(("gold", "column", "option"), DECLARED)
def test_the_nearest_frame_of_a_gold_holds_at_every_door(
    door: str, gold: Any, column: str | None, option: str | None, tmp_path: Path
) -> None:
    if isinstance(gold, dict) and "area" in gold:  # COCO's numbers are in the frame of the column
        gold = {"bbox": [0.1, 0.2, 0.4, 0.4], "area": 1}
    row = {"id": "a", "problem": "?", "solution": gold, "how": column, "completion": "x"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row | {"image": "a.png", "width": 640, "height": 480}) + "\n")
    given: Any = {"columns": None if column is None else "gold_frame=how", "gold_frame": option}
    if door == "packed":
        packed = pack_file(path, tmp_path / "out.jsonl", frames=AnswerFrames(Frame.NORM1), **given)
        (sample,) = load(packed.path)
    elif door == "recorded":
        sample = read_recorded(path, "rec", **given).rows[0].sample
    else:
        (sample,) = load(path, **given)
    assert tuple(sample.target) == pytest.approx((64, 96, 320, 288))


@pytest.mark.parametrize("second", [["40", "50", "60", "70"], [40, 50, 60]])
def test_cocos_boxes_are_converted_all_or_none(second: list[Any]) -> None:
    """Only the first one was looked at, and the error asked for corners in the others."""
    gold = {"bbox": [[1, 2, 30, 40], second], "category_id": [1, 2]}
    with pytest.raises(ValueError, match=r"expected COCO's \(x, y, width, height\)"):
        _read(gold, "detection")


@pytest.mark.parametrize("written", ["{}", " {}", "{}<|im_end|>", "<answer> {} </answer>"])
def test_an_envelope_is_one_in_every_form(written: str) -> None:
    """Only the very text that `pack` makes was: the box of the others was converted once more."""
    gold = BoxGold(box=(100, 100, 200, 300))
    text = written.format(pack(Sample(id="1", gold=gold, image_size=SIZE)))
    assert is_envelope(text)
    read = _read(text, option=GoldFrame.parse("original_px:xywh"))
    assert (read.envelope.gold, read.envelope.image_size) == (gold, SIZE)


@pytest.mark.parametrize(
    "value",
    [
        {"bbox": [10, 20, 5, 5], "frame": "norm1000:xywh"},
        [{"bbox": [10, 20, 5, 5], "frame": "cxcywh"}] * 2,
        {"objects": {"bbox": [[10, 20, 5, 5]], "ref": ["a"], "bbox_type": "real:yxyx"}},
        {"bbox": [10, 20, 5, 5], "area": 25},
    ],
)
def test_corners_are_read_again_as_they_are(value: Any) -> None:
    """A layout beside the boxes still stood there, and held for the corners too."""
    once = in_corners(value)
    again = in_corners(once.corners)
    assert again.corners == once.corners != value
    assert (again.frame and again.frame.frame) == (once.frame and once.frame.frame)


@pytest.mark.parametrize(
    ("box", "frame", "pixels"),
    [
        ((0.1, 0.1, 2.5, 0.9), Frame.NORM1, 960),
        ((100, 100, 1005, 900), Frame.NORM1000, 3.2),
        ((100, 100, 900, 1005), Frame.NORM1000, 2.4),
        ((100, 100, 900, 1004), Frame.NORM1000, None),
        ((0, -0.004, 0.5, 0.5), Frame.NORM1, None),
        ((10, 10, 643, 470), Frame.ORIGINAL_PX, 3),
    ],
)
def test_a_box_leaves_its_image_by_pixels_whatever_its_frame(
    box: tuple[float, float, float, float], frame: Frame, pixels: float | None
) -> None:
    """A gold's remark counted units of its frame: 2.5 image widths were within two."""
    remark = BoxGold(box=Box(*box), frame=frame).remark(SIZE, 2)
    found = suspicion(box, frame, SIZE, 2)
    if pixels is None:
        assert (remark, found) == (None, None)
    else:
        said = f"leaves the image of 640 x 480 pixels by {pixels:g}"
        assert remark is not None
        assert found is not None
        assert (remark.endswith(said), found[0].endswith(said)) == (True, True)
