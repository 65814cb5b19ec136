"""Boxes under keys as models spell them, in files whose authors recorded verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlreward.frames import Frame
from vlreward.geometry import Box
from vlreward.rewards import TaskReward
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.types import Completion, FailureCode, Row


def test_strict_loses_no_right_box_to_a_key(shared_data: Path) -> None:
    """GRPO on ScreenSpot, IANNXANG/VLM-R1, checkpoint 20: 13.77 % by its authors' rule."""
    path = shared_data / "recorded/screenspot/boxes_mobile_qwen2_5vl_7b_r1_20.json"
    if not path.is_file():
        pytest.skip(f"the recorded completions are not at {path}")
    file = json.loads(path.read_text("utf-8"))
    rows = file["results"]
    samples = [
        Row("rec", Box.from_sequence(row["ground_truth"]), Frame.ORIGINAL_PX) for row in rows
    ]
    spec = get_task("rec")
    scores = score_batch(spec, [Completion(row["model_output"]) for row in rows], samples)
    right = [score.metrics["acc@0.5"] for score in scores]
    lost = [n for n, row in enumerate(rows) if row["correct"] and not right[n]]
    assert not lost
    assert 100 * sum(right) / len(rows) == pytest.approx(file["accuracy"], abs=0.3)


@pytest.mark.parametrize(
    "key",
    [
        *(
            "bbox_2d",
            "bbox",
            "bboxes",
            "box",
            "boxes",
            "bounding_box",
            "bounding_boxes",
            "Position",
        ),
        *("bounding_box_2d", "bounding_box_coordinates", "boundingBox", "Bounding Box", "bndbox"),
        *(
            "coordinates",
            "location",
            "rect",
            "bbox_xyxy",
            "target_box",
            "predicted_bbox",
            "BBOX-2D",
        ),
    ],
)
@pytest.mark.parametrize(
    "value", ["[10, 30, 200, 300]", '"[10, 30, 200, 300]"', "[[10, 30, 200, 300]]"]
)
def test_a_key_that_says_box_holds_one(key: str, value: str) -> None:
    reward = TaskReward("rec", terms=["iou"], frame="original_px")
    assert reward([f'<answer>{{"{key}": {value}}}</answer>'], [[10, 30, 200, 300]]) == [1.0]


@pytest.mark.parametrize(
    "key", ["image_size", "padding", "foo", "color", "label", "margins", "crop"]
)
def test_a_key_that_says_something_else_is_named(key: str) -> None:
    reward = TaskReward("rec", terms=["iou"], frame="original_px")
    (score,) = reward.scores([f'<answer>{{"{key}": [1, 2, 30, 40]}}</answer>'], [[1, 2, 30, 40]])
    assert score is not None
    assert score.failure is not None
    assert f"a list of 4 under the key {key!r}" in score.failure.detail


_Y_FIRST = '<answer>{"box_2d": [30, 10, 300, 200]}</answer>'
_X_FIRST = '<answer>{"box_2d": [10, 30, 200, 300]}</answer>'


@pytest.mark.parametrize(
    ("text", "settings", "columns", "expected"),
    [
        (_Y_FIRST, {"axis_order": "yx"}, {}, 1.0),
        (_Y_FIRST, {"family": "gemini", "frame": "original_px"}, {}, 1.0),
        (_X_FIRST, {"family": "glm-v", "frame": "original_px"}, {}, 1.0),
        (_X_FIRST, {"axis_order": "xy"}, {}, 1.0),
        (_Y_FIRST, {}, {"axis_order": ["yx"]}, 1.0),
        (_X_FIRST, {"axis_order": "yx"}, {"axis_order": ["xy"]}, 1.0),
        ("<answer>[30, 10, 300, 200]</answer>", {"axis_order": "yx"}, {}, 1.0),
        (
            '<answer>{"xmin": 10, "ymin": 30, "xmax": 200, "ymax": 300}</answer>',
            {"axis_order": "yx"},
            {},
            1.0,
        ),
        ("<answer>[10, 30, 200, 300]</answer>", {}, {}, 1.0),
        (_X_FIRST, {}, {}, FailureCode.AMBIGUOUS_AXES),
        (_Y_FIRST, {}, {}, FailureCode.AMBIGUOUS_AXES),
    ],
)
def test_the_order_of_the_axes_is_declared_never_guessed(
    text: str,
    settings: dict[str, str],
    columns: dict[str, list[str]],
    expected: float | FailureCode,
) -> None:
    reward = TaskReward("rec", terms=["iou"], **{"frame": "original_px", **settings})  # type: ignore[arg-type]
    (score,) = reward.scores([text], [[10, 30, 200, 300]], **columns)
    assert score is not None
    if isinstance(expected, FailureCode):
        assert score.failure is not None
        assert score.failure.code is expected
        assert "declare the family" in score.failure.detail
    else:
        assert score.value == expected
