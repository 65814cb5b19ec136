"""Each trainer's call of a reward function, re-created from its source.

Trainer, version and place are named at each call site; the trainers themselves are not imported.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vlreward.golds import pack
from vlreward.rewards import (
    TaskReward,
    count_reward,
    format_reward,
    iou_reward,
    math_reward,
    repetition_reward,
    tag_count_reward,
)
from vlreward.types import Sample

THINK = "<think>There it is.</think>"
BOX_TEXT = THINK + '<answer>{"bbox_2d": [0, 0, 10, 20]}</answer>'
ENVELOPE = pack(
    Sample.model_validate(
        {
            "id": "1",
            "gold": {"task": "rec", "box": [0, 0, 10, 10]},
            "frame": "original_px",
            "image_size": [64, 48],
        }
    )
)
REWARDS: list[Callable[..., Any]] = [
    iou_reward,
    count_reward,
    math_reward,
    format_reward,
    tag_count_reward,
    repetition_reward,
    TaskReward("rec"),
]
GOLDS = {"rec": ENVELOPE, "counting": 4, "geometry": "4"}


def gold_for(reward: Any) -> Any:
    return GOLDS[reward.spec.name] if isinstance(reward, TaskReward) else None


# --- TRL 1.16, trl/trainer/grpo_trainer.py::_calculate_rewards --------------------------------


class _State:
    global_step = 3


def call_trl(reward: Callable[..., Any], completions: list[Any], **columns: list[Any]) -> Any:
    """Keywords only; conversational completions; hooks and trainer state beside the columns."""
    logged: dict[str, float] = {}
    return reward(
        prompts=[[{"role": "user", "content": "?"}]] * len(completions),
        completions=completions,
        completion_ids=[[1, 2, 3]] * len(completions),
        **columns,
        trainer_state=_State(),
        log_extra=lambda column, values: None,
        log_metric=logged.__setitem__,
    )


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_trl_conversational_batch() -> None:
    completions = [messages(BOX_TEXT), messages(""), messages("no box")]
    assert call_trl(iou_reward, completions, solution=[ENVELOPE] * 3) == [0.5, 0.0, 0.0]


def test_trl_standard_batch() -> None:
    assert call_trl(iou_reward, [BOX_TEXT], solution=[ENVELOPE]) == [0.5]


def test_trl_image_column_gives_the_image_size() -> None:
    from PIL import Image

    rewards = call_trl(
        TaskReward("rec", terms=["iou"], frame="norm1000"),
        [messages("<answer>[0, 0, 500, 1000]</answer>")],
        solution=[[0, 0, 32, 24]],
        image=[Image.new("RGB", (64, 48))],
    )
    assert rewards == [0.5]


def test_trl_mixed_tasks_give_none_for_rows_of_others_and_only_there() -> None:
    completions = [messages(BOX_TEXT), messages(THINK + "<answer>4</answer>")] * 2
    columns: dict[str, list[Any]] = {
        "task": ["rec", "counting"] * 2,
        "solution": [ENVELOPE, 4] * 2,
    }
    assert call_trl(iou_reward, completions, **columns) == [0.5, None] * 2
    assert call_trl(count_reward, completions, **columns) == [None, 1.0] * 2
    assert call_trl(math_reward, completions, **columns) == [None] * 4
    assert call_trl(format_reward, completions, **columns) == [1.0] * 4


def test_trl_none_gold_without_a_task_column_is_another_tasks_row() -> None:
    assert call_trl(iou_reward, [messages(BOX_TEXT)] * 2, solution=[ENVELOPE, None]) == [0.5, None]


def test_trl_none_gold_of_the_rewards_own_task_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"row 0 of the batch: expected four numbers .* got None"):
        call_trl(iou_reward, [messages(BOX_TEXT)], solution=[None], task=["rec"])


def test_trl_names_are_stable_and_differ() -> None:
    names = [reward.__name__ for reward in REWARDS]
    assert len(set(names)) == len(names)
    assert iou_reward.__name__ == "iou_reward"
    assert TaskReward("rec").__name__ == "rec_reward"


# --- verl 0.9, verl/experimental/reward_loop/reward_manager/naive.py ----------------------------


def test_verl_one_sample_at_a_time_in_an_executor_thread() -> None:
    async def loop() -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            None, lambda: math_reward([THINK + "<answer>2^{1/2}</answer>"], [r"\sqrt{2}"])
        )

    assert asyncio.run(loop()) == [1.0]


# --- EasyR1 2026-07, verl/workers/reward/function.py: dicts of response and ground truth --------


def test_easyr1_gets_all_it_needs_from_the_envelope() -> None:
    rows = [{"response": BOX_TEXT, "response_length": 12, "ground_truth": ENVELOPE}]
    texts = [row["response"] for row in rows]
    assert iou_reward(texts, [row["ground_truth"] for row in rows]) == [0.5]


# --- ms-swift 4.6, swift/rl_core/grpo_algorithm.py: completions positional, columns by keyword ---


def test_swift_positional_completions_with_messages_and_images() -> None:
    rewards = iou_reward(
        [BOX_TEXT], solution=[ENVELOPE], messages=[[{"role": "user"}]], images=[["a.png"]]
    )
    assert rewards == [0.5]


# --- OpenRLHF 0.11, openrlhf/utils/agent.py: batch of one, in a thread --------------------------


def test_openrlhf_batch_of_one_in_a_worker_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(iou_reward, [BOX_TEXT], [ENVELOPE]).result() == [0.5]


# --- PaddleMIX r1_mllm, r1_mllm/trainer/grpo_trainer.py ----------------------------------------


def test_paddlemix_solution_is_a_decoded_python_repr_with_special_tokens() -> None:
    def call(**optional: Any) -> Any:
        return iou_reward(
            completions=[messages(BOX_TEXT)],
            prompts=["<|im_start|>user"],
            solution=[str({"vlreward": 1, "gold": {"task": "rec", "box": [0, 0, 10, 10]},
                           "frame": "original_px"}) + "<|im_end|>"],
            **optional,
        )  # fmt: skip

    assert call() == call(rank=0) == [0.5]


def test_paddlemix_bare_gold_needs_a_declared_frame() -> None:
    call: Any = {
        "completions": [messages(BOX_TEXT)],
        "prompts": ["?"],
        "solution": ["[0, 0, 10, 10]"],
    }
    with pytest.raises(ValueError, match=r"predicted coordinates is not declared.*'frame'"):
        iou_reward(**call)
    assert TaskReward("rec", terms=["iou"], frame="original_px")(**call) == [0.5]


# --- what all of them rely on -------------------------------------------------------------------


@pytest.mark.parametrize("reward", REWARDS, ids=lambda r: r.__name__)
@pytest.mark.parametrize("text", ["", BOX_TEXT, THINK, "\x00", "<answer>" * 50])
def test_any_completion_gets_a_finite_number(reward: Callable[..., Any], text: str) -> None:
    (value,) = reward([messages(text)], solution=[gold_for(reward)], some_new_column=[object()])
    assert isinstance(value, float)
    assert value == value
    assert abs(value) <= 2


@pytest.mark.parametrize("reward", REWARDS, ids=lambda r: r.__name__)
def test_an_empty_batch_gives_an_empty_list(reward: Callable[..., Any]) -> None:
    assert reward([], solution=[]) == []


@pytest.mark.parametrize("reward", REWARDS, ids=lambda r: r.__name__)
def test_a_pickled_reward_gives_the_same(reward: Callable[..., Any]) -> None:
    copy = pickle.loads(pickle.dumps(reward))
    call = {"completions": [BOX_TEXT], "solution": [gold_for(reward)]}
    assert copy(**call) == reward(**call)
    assert copy.__name__ == reward.__name__


def test_a_spawned_process_gets_a_working_reward() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(iou_reward, ([BOX_TEXT], [ENVELOPE])) == [0.5]
        assert pool.apply(math_reward, (["<answer>0.5</answer>"], ["1/2"])) == [1.0]


def test_threads_share_a_reward() -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: iou_reward([BOX_TEXT] * 20, [ENVELOPE] * 20), range(40)))
    assert results == [[0.5] * 20] * 40
