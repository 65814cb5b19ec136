from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from vlreward.frames import Frame
from vlreward.geometry import Box, Size
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold
from vlreward.types import (
    AnyGold,
    Completion,
    FailureCode,
    Gold,
    OtherGold,
    Parsed,
    ParseFailure,
    Sample,
    Score,
)

BOX = [10.5, 20, 30, 40]


def _sample(**fields: Any) -> Sample:
    return Sample.model_validate({"id": "row 1", "gold": {"task": "rec", "box": BOX}, **fields})


# --- golds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"task": "rec", "box": BOX}, BoxGold(box=Box(10.5, 20, 30, 40))),
        ({"task": "rec", "box": tuple(BOX)}, BoxGold(box=Box(10.5, 20, 30, 40))),
        (
            {"task": "rec", "box": BOX, "frame": "norm1000"},
            BoxGold(box=Box(10.5, 20, 30, 40), frame=Frame.NORM1000),
        ),
        ({"task": "counting", "count": 0}, CountGold(count=0)),
        ({"task": "geometry", "expression": " 145° "}, MathGold(expression="145°")),
        ({"task": "ocr", "value": {"words": ["a"]}}, OtherGold(task="ocr", value={"words": ["a"]})),
    ],
)
def test_the_task_tells_which_gold(value: dict[str, Any], expected: Any) -> None:
    sample = Sample.model_validate({"id": "1", "gold": value, "image_size": (640, 480)})
    assert sample.gold == expected
    assert sample.task == value["task"]
    again = Sample.model_validate_json(sample.model_dump_json())
    assert again == sample
    assert pickle.loads(pickle.dumps(sample)) == sample


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ({"task": "rec", "box": [10, 20, 10, 40]}, "expected finite x1 < x2 and y1 < y2"),
        ({"task": "rec", "box": [30, 20, 10, 40]}, r"got \(30, 20, 10, 40\)"),
        ({"task": "rec", "box": [math.nan, 0, 1, 1]}, r"got \(nan, 0, 1, 1\)"),
        ({"task": "rec", "box": [0, 0, math.inf, 1]}, r"got \(0, 0, inf, 1\)"),
        ({"task": "rec", "box": [1, 2, 3]}, r"expected four numbers .*got \[1, 2, 3\]"),
        ({"task": "rec", "box": ["1", 2, 3, 4]}, "expected four numbers"),
        ({"task": "rec", "box": BOX, "frame": "norm7"}, "'original_px', 'input_px'"),
        ({"task": "rec"}, "box\n.*Field required"),
        ({"task": "rec", "box": BOX, "label": "dog"}, "Extra inputs are not permitted"),
        ({"task": "counting", "count": -1}, "greater than or equal to 0"),
        ({"task": "counting", "count": 3.0}, "valid integer"),
        ({"task": "counting", "count": "3"}, "valid integer"),
        ({"task": "counting", "count": True}, "valid integer"),
        ({"task": "counting", "count": None}, "valid integer"),
        ({"task": "geometry", "expression": ""}, "at least 1 character"),
        ({"task": "geometry", "expression": " \n"}, r"expected an expression, got ' \\n'"),
        ({"task": "geometry", "expression": "1+" * 300}, "at most 512 characters"),
        ({"task": "geometry", "expression": 4}, "valid string"),
        ({"box": BOX}, "task"),
        ([10, 20, 30, 40], "gold"),
        (None, "gold"),
    ],
)
def test_a_bad_gold_is_refused_when_the_sample_is_built(gold: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _sample(gold=gold)


def test_a_plug_ins_gold_cannot_take_a_built_in_name() -> None:
    with pytest.raises(ValidationError, match="gold of the class BoxGold for task 'rec'"):
        OtherGold(task="rec", value=1)


def test_golds_are_frozen() -> None:
    gold = CountGold(count=3)
    with pytest.raises(ValidationError, match="frozen"):
        gold.count = 4  # type: ignore[misc]


def test_golds_survive_json() -> None:
    adapter: TypeAdapter[Gold] = TypeAdapter(AnyGold)
    gold = BoxGold(box=Box(0.1, 2, 3, 4), frame=Frame.NORM1)
    text = adapter.dump_json(gold)
    assert json.loads(text) == {"task": "rec", "box": [0.1, 2, 3, 4], "frame": "norm1"}
    assert adapter.validate_json(text) == gold


# --- samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", " ", " a", "a ", "\na", "a\n"])
def test_ids_have_no_outer_white_space(value: str) -> None:
    with pytest.raises(ValidationError, match="expected a non-empty id without outer white space"):
        _sample(id=value)


@pytest.mark.parametrize("value", ["a", "a b", "行\n1"])
def test_other_ids_are_kept(value: str) -> None:
    assert _sample(id=value).id == value


@pytest.mark.parametrize("field", ["image_size", "input_size"])
def test_sizes_are_checked(field: str) -> None:
    assert getattr(_sample(**{field: [640, 480.0]}), field) == Size(640, 480)
    for bad in ([640], [640, 0], [640, 480.5], ["640", 480], [640, 480, 3]):
        with pytest.raises(ValidationError, match="two positive whole numbers") as error:
            _sample(**{field: bad})
        assert field in str(error.value)


@pytest.mark.parametrize(
    ("frame", "sizes", "message"),
    [
        ("norm1000", {}, "expected image_size"),
        ("norm999", {"input_size": (28, 28)}, "expected image_size"),
        ("input_px", {"image_size": (640, 480)}, "expected input_size"),
    ],
)
def test_a_gold_that_cannot_be_converted_is_refused(
    frame: str, sizes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        _sample(gold={"task": "rec", "box": BOX, "frame": frame}, **sizes)


def test_the_target_is_in_original_pixels() -> None:
    gold = {"task": "rec", "box": [100, 250, 500, 1000], "frame": "norm1000"}
    assert _sample(gold=gold, image_size=(640, 480)).target == Box(64, 120, 320, 480)
    assert _sample().target == Box(10.5, 20, 30, 40)
    assert _sample(gold={"task": "counting", "count": 7}).target == 7
    assert _sample(gold={"task": "geometry", "expression": "7"}).target == "7"
    assert _sample(gold={"task": "ocr", "value": [1]}).target == [1]


def test_unknown_fields_are_refused_and_samples_are_frozen() -> None:
    with pytest.raises(ValidationError, match=r"solution\n.*Extra inputs are not permitted"):
        _sample(solution=BOX)
    with pytest.raises(ValidationError, match="frozen"):
        _sample().id = "other"  # type: ignore[misc]
    assert _sample(metadata={"any": ["thing"]}).metadata == {"any": ["thing"]}


# --- values on the way to a score ------------------------------------------------------------


def test_failure_codes_are_their_values() -> None:
    assert [str(FailureCode.NO_BOX), f"{FailureCode.NO_BOX}"] == ["no_box", "no_box"]
    assert {FailureCode.NO_BOX: 1}["no_box"] == 1  # type: ignore[index]
    assert FailureCode("out_of_frame") is FailureCode.OUT_OF_FRAME
    assert json.dumps({FailureCode.TIMEOUT: 1}) == '{"timeout": 1}'
    assert all(code.value == code.name.lower() for code in FailureCode)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Completion("text", truncated=True, token_count=3), "text"),
        (Parsed(Box(0, 0, 1, 1), (3, 9)), "value"),
        (ParseFailure(FailureCode.NO_BOX, "expected a box, got 'a'", (0, 1)), "code"),
        (Score(0.5, {"iou": 0.5}, {"iou": 0.5}, answer=Box(0, 0, 1, 1)), "value"),
    ],
)
def test_values_are_frozen_and_travel_between_processes(value: Any, name: str) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(AttributeError):
        setattr(value, name, None)
