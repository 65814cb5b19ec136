from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vlreward.errors import OptionError
from vlreward.golds import pack
from vlreward.registry import UnknownNameError
from vlreward.resizing import Resizing
from vlreward.rewards import (
    REWARDS,
    TaskReward,
    count_reward,
    format_reward,
    giou_reward,
    iou50_reward,
    iou_reward,
    tag_count_reward,
)
from vlreward.tasks import get_task
from vlreward.types import FailureCode, Sample

RIGHT = "<think>here</think><answer>[0, 0, 10, 10]</answer>"
HALF = "<think>here</think><answer>[0, 0, 10, 20]</answer>"
GOLD = [0, 0, 10, 10]
PROCESSOR = SimpleNamespace(
    patch_size=14, merge_size=2, size={"shortest_edge": 3136, "longest_edge": 401_408}
)
"""The image part of a Qwen2.5-VL processor with the limit of the published scripts."""


def rec(**fields: Any) -> str:
    gold = {"task": "rec", "box": GOLD}
    return pack(Sample.model_validate({"id": "1", "gold": gold, **fields}))


def test_the_whole_task_is_the_weighted_sum_of_its_terms() -> None:
    reward = TaskReward("rec", frame="original_px")
    assert reward([RIGHT, HALF], [GOLD] * 2) == [2.0, 1.5]
    weighted = TaskReward("rec", frame="original_px", weights={"iou": 3, "format": 0.5})
    assert weighted([RIGHT, HALF], [GOLD] * 2) == [3.5, 2.0]


def test_scores_show_each_term_and_the_failure() -> None:
    scores = TaskReward("rec", frame="original_px").scores([HALF, "nothing"], [GOLD] * 2)
    assert [s.terms for s in scores if s] == [
        {"iou": 0.5, "format": 1.0},
        {"iou": 0.0, "format": 0.0},
    ]
    assert scores[1] is not None
    assert scores[1].failure is not None
    assert scores[1].failure.code is FailureCode.NO_ANSWER


def test_hard_and_generalized_overlap() -> None:
    columns: Any = {"frame": ["original_px"] * 2}
    assert iou50_reward([RIGHT, HALF], [GOLD] * 2, **columns) == [1.0, 0.0]
    assert giou_reward([RIGHT, HALF], [GOLD] * 2, **columns) == [1.0, 0.75]


def test_explicit_columns_win_over_the_envelope() -> None:
    envelope = rec(frame="norm1000", image_size=[100, 100])
    text = "<answer>[0, 0, 100, 100]</answer>"
    assert iou_reward([text], [envelope]) == [1.0]
    assert iou_reward([text], [envelope], frame=["original_px"]) == [0.01]
    assert iou_reward([text], [envelope], image_size=[(200, 100)]) == [0.5]


def test_a_family_gives_frame_and_input_size() -> None:
    # 640 x 428 is resized to 644 x 420 for Qwen2.5-VL, so a full-width box is 644 wide there.
    reward = TaskReward("rec", terms=["iou"], family="qwen2.5-vl")
    text = "<answer>[0, 0, 644, 420]</answer>"
    assert reward([text], [[0, 0, 640, 428]], image_size=[(640, 428)]) == [1.0]
    original = TaskReward("rec", terms=["iou"], frame="original_px")
    assert original([text], [[0, 0, 640, 428]], image_size=[(640, 428)]) == [0.0]  # out of frame


LARGE: Any = {"completions": ["<answer>[84, 44, 420, 224]</answer>"], "image_size": [(1920, 1080)]}
"""An answer in the pixels at which a processor with max_pixels 401,408 shows it: 840 x 448."""
LARGE_GOLD = [192, 106, 960, 540]


@pytest.mark.parametrize(
    "options",
    [
        {"family": "qwen2.5-vl", "max_pixels": 401_408},
        {"family": "qwen2.5-vl", "processor": SimpleNamespace(image_processor=PROCESSOR)},
        {"frame": "input_px", "processor": PROCESSOR},
        {"frame": "input_px", "resizing": Resizing(28, 3136, 401_408)},
    ],
)
def test_the_limits_of_the_processor_are_those_of_the_reward(options: dict[str, Any]) -> None:
    """By the family's default limit, a perfect answer earned an IoU of 0.015."""
    reward = TaskReward("rec", terms=["iou"], **options)
    for made in (reward, replace(reward, weights={"iou": 1.0}), pickle.loads(pickle.dumps(reward))):
        (value,) = made(solution=[LARGE_GOLD], **LARGE)
        assert value == pytest.approx(1, abs=0.01)


def test_a_large_image_is_not_guessed_at() -> None:
    reward = TaskReward("rec", terms=["iou"], family="qwen2.5-vl")
    with pytest.raises(ValueError, match=r"row 0 .*1920 x 1080 pixels is seen as.*max_pixels="):
        reward(solution=[LARGE_GOLD], **LARGE)
    (value,) = reward(solution=[LARGE_GOLD], input_size=[(840, 448)], **LARGE)
    assert value == pytest.approx(1, abs=0.01)
    # What needs no such size goes on: other frames, and tasks without coordinates.
    other = TaskReward("rec", terms=["iou"], family="qwen3-vl")
    call: Any = {"solution": [LARGE_GOLD], "image_size": [(1920, 1080)]}
    assert other(["<answer>[100, 98, 500, 500]</answer>"], **call) == [pytest.approx(1, abs=0.01)]
    counting = TaskReward("counting", terms=["exact"], family="qwen2.5-vl")
    assert counting(["<answer>2</answer>"], [2], image_size=[(1920, 1080)]) == [1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_pixels": 401_408}, "expected a family beside min_pixels and max_pixels"),
        ({"family": "gemini", "max_pixels": 401_408}, "limits areas, got the family 'gemini'"),
        ({"processor": object()}, "limits areas, got the processor object"),
        ({"processor": PROCESSOR, "max_pixels": 401_408}, "a processor has its own limits"),
    ],
)
def test_limits_that_say_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TaskReward("rec", **options)


def test_clipping_is_asked_for() -> None:
    call: Any = {"completions": ["<answer>[-5, 0, 10, 10]</answer>"], "solution": [GOLD]}
    assert TaskReward("rec", terms=["iou"], frame="original_px")(**call) == [0.0]
    assert TaskReward("rec", terms=["iou"], frame="original_px", clip=True)(**call) == [1.0]


def test_only_boxes_are_clipped() -> None:
    for options in ({"task": "counting"}, {"task": "rec", "protocol": "vlm-r1"}):
        with pytest.raises(ValueError, match="its answers cannot be clipped"):
            TaskReward(clip=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, r"row 0 of the batch: the frame of predicted coordinates is not declared"),
        ({"frame": ["pixels"]}, r"row 0.*expected a frame, one of original_px.*got 'pixels'"),
        ({"frame": [["norm1"]]}, r"row 0.*expected a frame, one of .*got \['norm1'\]"),
        ({"frame": ["norm1000"]}, r"row 0.*add a column 'image_size'"),
        ({"frame": ["input_px"], "image_size": [(9, 9)]}, r"add a column 'input_size'"),
        ({"frame": ["norm1"], "image_size": [(0, 9)]}, r"two positive whole numbers, got \(0, 9\)"),
        ({"frame": ["norm1"] * 2}, r"expected a list of 1 values in column 'frame', .* got 2"),
        ({"frame": "norm1"}, r"a list of 1 values in column 'frame', .* got 'norm1'"),
    ],
)
def test_what_is_missing_is_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        iou_reward([RIGHT], [GOLD], **columns)


def test_no_solution_column_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"needs a column 'solution'.*'answer'"):
        iou_reward([RIGHT], answer=[GOLD])


def test_weights_that_would_do_nothing_are_refused() -> None:
    """That of a term that is not used was dropped, and NaN ended the first batch."""
    for options, message in (
        (
            {"weights": {"giou": 1.0}},
            "of the terms iou, format, got giou=1.0: name 'giou' in terms",
        ),
        ({"terms": ["iou"], "weights": {"format": 1.0}}, "of the terms iou, got format=1.0"),
        (
            {"weights": {"iou": float("nan")}},
            "finite weights of the terms iou, format, got iou=nan",
        ),
    ):
        with pytest.raises(OptionError, match=message):
            TaskReward("rec", **options)


def test_a_task_that_is_misspelt_in_a_column_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its rows are nobody's, and their rewards None for ever."""
    reward = TaskReward("counting")
    for _ in range(2):
        assert reward(["2"] * 3, [2, 2, 2], task=["cuonting", "rec", "captions"]) == [None] * 3
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("rows of the task 'cuonting' are not rewarded by the task 'counting'")


def test_arrays_of_sizes_are_sizes() -> None:
    sizes = np.array([[100, 200]])
    text = "<answer>[0, 0, 100, 100]</answer>"
    assert iou_reward([text], [GOLD], frame=["norm1000"], image_size=sizes) == [0.5]


@pytest.mark.parametrize("completions", [RIGHT, np.array([[1, 2, 3]])])
def test_completions_that_are_no_list_of_texts_are_said_to_be_none(completions: Any) -> None:
    """An array of tokens was a truth value that is ambiguous, and a text 51 missing golds."""
    with pytest.raises(TypeError, match=r"expected (a list of completions|completion 0 as a str)"):
        iou_reward(completions, [GOLD], frame=["original_px"])


def test_a_bad_gold_names_its_row() -> None:
    with pytest.raises(ValueError, match=r"row 1 of the batch: bad gold \[10, 0, 0, 10\]"):
        iou_reward([RIGHT] * 2, [GOLD, [10, 0, 0, 10]], frame=["original_px"] * 2)


def test_a_bad_completion_names_its_row() -> None:
    completions: list[Any] = [RIGHT, 3]
    with pytest.raises(TypeError, match="completion 1 as a string or a list of messages"):
        iou_reward(completions, [GOLD] * 2, frame=["original_px"] * 2)


def test_thinking_that_a_trainer_took_out_counts_for_the_format() -> None:
    """TRL 1.16 parses replies where a tokenizer has a response template, or tools are given."""
    parsed = {"role": "assistant", "reasoning_content": "a b", "content": "<answer>3</answer>"}
    named = {"role": "assistant", "thinking": "a b", "content": "<answer>3</answer>"}  # LFM2.5's
    cut = {"role": "assistant", "reasoning_content": "a b", "content": ""}
    called = {"role": "assistant", "content": "<answer>3</answer>", "tool_calls": []}
    completions = [[parsed], [named], [cut], [called]]
    assert format_reward(completions=completions) == [1.0, 1.0, 0.0, 0.0]
    assert tag_count_reward(completions=completions)[2] == 0.25
    assert count_reward(completions=completions, solution=[3] * 4) == [1.0, 1.0, 0.0, 1.0]


def test_content_may_be_a_list_of_parts_or_none() -> None:
    parts = [{"type": "text", "text": RIGHT[:20]}, {"type": "text", "text": RIGHT[20:]}]
    completions = [[{"role": "assistant", "content": parts}], [{"content": None}], []]
    assert iou_reward(completions, [GOLD] * 3, frame=["original_px"] * 3) == [1.0, 0.0, 0.0]


def test_truncation_shows_in_the_failure() -> None:
    reward = TaskReward("rec", frame="original_px")
    (score,) = reward.scores(["<think>so"], [GOLD], truncated=[True])
    assert score is not None
    assert score.failure is not None
    assert score.failure.code is FailureCode.TRUNCATED


def test_unknown_names_are_refused_when_the_reward_is_made() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'rek'; did you mean 'rec"):
        TaskReward("rek")
    with pytest.raises(UnknownNameError, match=r"unknown term of task 'rec' 'uoi'.*giou"):
        TaskReward("rec", terms=["uoi"])
    with pytest.raises(UnknownNameError, match="unknown protocol of task 'rec' 'vlm-r2'"):
        TaskReward("rec", protocol="vlm-r2")
    with pytest.raises(ValueError, match="on_timeout 'zero' or 'none'"):
        TaskReward("geometry", on_timeout="half")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "other"), [("protocol", "vlm-r1"), ("method", "baseline")])
def test_a_spec_has_its_own_rules(name: str, other: str) -> None:
    with pytest.raises(ValueError, match=f"no {name} beside a spec"):
        TaskReward(get_task("rec"), **{name: other})  # type: ignore[arg-type]
    TaskReward(get_task("rec"), **{name: getattr(get_task("rec"), name)})


def test_rewards_are_frozen() -> None:
    with pytest.raises(AttributeError):
        iou_reward.clip = True  # type: ignore[misc]


def test_the_registry_lists_ready_made_rewards() -> None:
    assert REWARDS.get("iou_reward") is iou_reward
    with pytest.raises(UnknownNameError, match="did you mean 'iou_reward'"):
        REWARDS.get("iou_rewards")
