"""Reward functions for trainers: picklable batch callables with TRL's signature.

    f(completions, solution, **columns) -> list[float | None]

Each name here is a configured `TaskReward`, `FormatReward` or `TextReward`; for other settings
make your own. Names are loaded when they are asked for; none of them loads a framework, numpy or
sympy.
"""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.rewards.builtin import *
    from vlreward.rewards.task_reward import *
    from vlreward.rewards.text import *
    from vlreward.tasks.more_rewards import *
    from vlreward.tasks.rewards import *

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "builtin": "REWARDS format_reward",
        "task_reward": "TaskReward",
        "text": "FormatReward TextReward length_reward repetition_reward soft_overlong_reward "
        "tag_count_reward",
        "vlreward.tasks.more_rewards": "choice_reward detection_reward point_closeness_reward "
        "point_reward",
        "vlreward.tasks.rewards": "ciou_reward count_reward diou_reward giou_reward iou50_reward "
        "iou_reward math_reward soft_count_reward",
    },
)
