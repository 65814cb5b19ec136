"""Reward functions for trainers: picklable batch callables with TRL's signature.

    f(completions, solution, **columns) -> list[float | None]

Each name here is a configured `TaskReward`, `FormatReward` or `TextReward`; for other settings
make your own. Names are loaded when they are asked for; none of them loads a framework, numpy or
sympy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.rewards.builtin import REWARDS, format_reward
    from vlreward.rewards.task_reward import TaskReward
    from vlreward.rewards.text import (
        FormatReward,
        TextReward,
        length_reward,
        repetition_reward,
        soft_overlong_reward,
        tag_count_reward,
    )
    from vlreward.tasks.more_rewards import (
        choice_reward,
        detection_reward,
        point_closeness_reward,
        point_reward,
    )
    from vlreward.tasks.rewards import (
        ciou_reward,
        count_reward,
        diou_reward,
        giou_reward,
        iou50_reward,
        iou_reward,
        math_reward,
        soft_count_reward,
    )

__all__ = [
    "REWARDS",
    "FormatReward",
    "TaskReward",
    "TextReward",
    "choice_reward",
    "ciou_reward",
    "count_reward",
    "detection_reward",
    "diou_reward",
    "format_reward",
    "giou_reward",
    "iou50_reward",
    "iou_reward",
    "length_reward",
    "math_reward",
    "point_closeness_reward",
    "point_reward",
    "repetition_reward",
    "soft_count_reward",
    "soft_overlong_reward",
    "tag_count_reward",
]

_HOME = {
    **dict.fromkeys(__all__, "vlreward.tasks.rewards"),
    **dict.fromkeys(
        ("choice_reward", "detection_reward", "point_closeness_reward", "point_reward"),
        "vlreward.tasks.more_rewards",
    ),
    "REWARDS": "builtin",
    "format_reward": "builtin",
    "TaskReward": "task_reward",
    **dict.fromkeys(
        (
            "FormatReward",
            "TextReward",
            "length_reward",
            "repetition_reward",
            "soft_overlong_reward",
            "tag_count_reward",
        ),
        "text",
    ),
}


__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
