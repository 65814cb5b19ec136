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
    from vlreward.rewards.builtin import (
        REWARDS as REWARDS,
    )
    from vlreward.rewards.builtin import (
        format_reward as format_reward,
    )
    from vlreward.rewards.task_reward import (
        TaskReward as TaskReward,
    )
    from vlreward.rewards.text import (
        FormatReward as FormatReward,
    )
    from vlreward.rewards.text import (
        TextReward as TextReward,
    )
    from vlreward.rewards.text import (
        length_reward as length_reward,
    )
    from vlreward.rewards.text import (
        repetition_reward as repetition_reward,
    )
    from vlreward.rewards.text import (
        soft_overlong_reward as soft_overlong_reward,
    )
    from vlreward.rewards.text import (
        tag_count_reward as tag_count_reward,
    )
    from vlreward.tasks.rewards import (
        ciou_reward as ciou_reward,
    )
    from vlreward.tasks.rewards import (
        count_reward as count_reward,
    )
    from vlreward.tasks.rewards import (
        diou_reward as diou_reward,
    )
    from vlreward.tasks.rewards import (
        giou_reward as giou_reward,
    )
    from vlreward.tasks.rewards import (
        iou50_reward as iou50_reward,
    )
    from vlreward.tasks.rewards import (
        iou_reward as iou_reward,
    )
    from vlreward.tasks.rewards import (
        math_reward as math_reward,
    )
    from vlreward.tasks.rewards import (
        soft_count_reward as soft_count_reward,
    )

_MODULES = {
    "builtin": (
        "REWARDS",
        "format_reward",
    ),
    "task_reward": ("TaskReward",),
    "text": (
        "FormatReward",
        "TextReward",
        "length_reward",
        "repetition_reward",
        "soft_overlong_reward",
        "tag_count_reward",
    ),
    "vlreward.tasks.rewards": (
        "ciou_reward",
        "count_reward",
        "diou_reward",
        "giou_reward",
        "iou50_reward",
        "iou_reward",
        "math_reward",
        "soft_count_reward",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)
__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
