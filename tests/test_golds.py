from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.frames import Frame
from vlreward.geometry import LEAST_SIDE, MOST, Box, Size
from vlreward.golds import Envelope, pack, unpack
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold
from vlreward.types import OtherGold, Sample

BOX = Box(1.5, 2, 30, 40)


@pytest.mark.parametrize(
    "value",
    [
        [1.5, 2, 30, 40],
        (1.5, 2, 30, 40),
        np.array([1.5, 2, 30, 40]),
        {"bbox_2d": [1.5, 2, 30, 40]},
        {"solution": [1.5, 2, 30, 40]},
        "[1.5, 2, 30, 40]",
        "(1.5, 2, 30, 40)",  # Python repr
        "{'bbox': (1.5, 2, 30, 40)}",
        '{"bbox_2d": [1.5, 2, 30, 40]}',
        "<answer>[1.5, 2, 30, 40]</answer>",
        " <answer>\n[1.5, 2, 30, 40] </answer> ",
        "[1.5, 2, 30, 40]<|im_end|>",
        "<answer> [1.5, 2, 30, 40] </answer><|im_end|>\n<|endoftext|>",
        "<s>[1.5, 2, 30, 40]</s>",
    ],
    ids=str,
)
def test_a_box_is_read_in_every_form(value: Any) -> None:
    assert unpack(value, "rec").gold == BoxGold(box=BOX)


@pytest.mark.parametrize(
    "value",
    [3, 3.0, np.int64(3), "3", " 3 ", "<answer> 3 </answer>", "3<|im_end|>", {"count": 3}, "3.0"],
    ids=repr,
)
def test_a_count_is_read_in_every_form(value: Any) -> None:
    assert unpack(value, "counting").gold == CountGold(count=3)


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("145°", "145°"),
        ("<answer> 2√{3} </answer>", "2√{3}"),
        (r"$9\pi cm^{2}$", r"$9\pi cm^{2}$"),
        (65, "65"),
        ({"expression": "[1, 2]"}, "[1, 2]"),
        ("[1, 2]", "[1, 2]"),
        ("145°<|im_end|>", "145°"),
    ],
)
def test_an_expression_is_read_as_text(value: Any, expression: str) -> None:
    assert unpack(value, "geometry").gold == MathGold(expression=expression)


@pytest.mark.parametrize(
    ("task", "value", "message"),
    [
        ("rec", [1, 2, 3], "expected four numbers"),
        ("rec", [30, 2, 1.5, 40], "expected finite x1 < x2 and y1 < y2"),
        ("rec", [1, 2, float("nan"), 4], "expected finite x1 < x2"),
        ("rec", "a red cup", "expected four numbers"),
        ("rec", {"label": "cup"}, "expected a gold with one of the keys"),
        ("rec", "__import__('os').getcwd()", "expected four numbers"),
        ("rec", "[" * 5000, "expected four numbers"),
        ("rec", "1" * 20_001, "at most 20000 characters"),
        ("counting", -1, "greater than or equal to 0"),
        ("counting", 2.5, "valid integer"),
        ("counting", True, "valid integer"),
        ("counting", "many", "valid integer"),
        ("geometry", "   ", "at least 1 character"),
        ("geometry", None, "valid string"),
        ("rec", {"vlreward": 2, "gold": {"task": "counting", "count": 3}}, "version 1, got 2"),
        ("rec", {"gold": {"task": "rec"}}, "Field required"),
    ],
)
def test_a_bad_gold_is_an_error(task: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(value, task)


def test_an_envelope_names_its_own_task() -> None:
    envelope = pack(Sample(id="1", gold=CountGold(count=3)))
    assert unpack(envelope, "rec").gold == CountGold(count=3)


def test_an_envelope_carries_sizes_and_frame() -> None:
    sample = Sample(
        id="1",
        gold=BoxGold(box=BOX, frame=Frame.NORM1000),
        image_size=Size(640, 480),
        input_size=Size(644, 476),
        frame=Frame.INPUT_PX,
    )
    expected = Envelope(
        gold=sample.gold,
        image_size=sample.image_size,
        input_size=sample.input_size,
        frame=Frame.INPUT_PX,
    )
    packed = pack(sample)
    assert "\n" not in packed
    for form in (packed, packed + "<|im_end|>", repr(json.loads(packed)), json.loads(packed)):
        assert unpack(form, "rec") == expected


def test_a_plugin_gold_keeps_its_value() -> None:
    assert unpack("[3, 4]", "touch").gold == OtherGold(task="touch", value=[3, 4])


numbers = st.floats(-MOST, MOST)


@given(st.tuples(numbers, numbers, numbers, numbers))
def test_a_packed_box_comes_back_exactly(corners: tuple[float, float, float, float]) -> None:
    xs, ys = sorted(corners[:2]), sorted(corners[2:])
    if min(xs[1] - xs[0], ys[1] - ys[0]) < LEAST_SIDE:
        return
    gold = BoxGold(box=Box(xs[0], ys[0], xs[1], ys[1]))
    assert unpack(pack(Sample(id="1", gold=gold)), "rec").gold == gold


@given(st.text(max_size=300), st.sampled_from(["rec", "counting", "geometry"]))
def test_no_text_raises_anything_but_value_error(text: str, task: str) -> None:
    with contextlib.suppress(ValueError):
        unpack(text, task)
