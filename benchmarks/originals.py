"""The rules of the projects that vlreward replaces, written anew to be measured beside it.

The regular expressions are the published ones, since their cost is what is compared; the code
around them is not. Source: PaddleMIX `r1_mllm/train/grpo_rec.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Message = dict[str, str]

_ANSWER = r"<answer>(.*?)</answer>"
_BOX = r"\[(\d+),\s*(\d+),\s*(\d+),\s*(\d+)]"
_FORMAT = r"<think>.*?</think>\s*<answer>.*?\{.*\[\d+,\s*\d+,\s*\d+,\s*\d+\].*\}.*?</answer>"


def iou_rewards(
    completions: Sequence[Sequence[Message]], solution: Sequence[Sequence[float]]
) -> list[float]:
    """1 where the first box of integers in the first answer overlaps the gold by more than half."""
    rewards = []
    for completion, gold in zip(completions, solution):
        reward = 0.0
        answer = re.search(_ANSWER, completion[0]["content"], re.DOTALL)
        if answer:
            box = re.search(_BOX, answer.group(1).strip())
            if box and _iou([int(box.group(i)) for i in (1, 2, 3, 4)], gold) > 0.5:
                reward = 1.0
        rewards.append(reward)
    return rewards


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    left, top = max(a[0], b[0]), max(a[1], b[1])
    right, bottom = min(a[2] - 1, b[2] - 1), min(a[3] - 1, b[3] - 1)
    inter = 0.0
    if left < right and top < bottom:
        inter = (right - left + 1) * (bottom - top + 1)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union


def format_rewards(completions: Sequence[Sequence[Message]]) -> list[float]:
    """1 where the whole completion has the published structure."""
    return [float(bool(re.fullmatch(_FORMAT, c[0]["content"], re.DOTALL))) for c in completions]
