"""The ready-made rewards of the tasks: a `TaskReward` of one term each."""

from __future__ import annotations

from vlreward.rewards.task_reward import TaskReward

__all__ = [
    "ciou_reward",
    "count_reward",
    "diou_reward",
    "giou_reward",
    "iou50_reward",
    "iou_reward",
    "math_reward",
    "soft_count_reward",
]

iou_reward = TaskReward("rec", terms=("iou",), name="iou_reward")
"""IoU of the predicted and the gold box, in [0, 1]."""

iou50_reward = TaskReward("rec", terms=("iou50",), name="iou50_reward")
"""1 if the IoU is above 0.5, else 0."""

giou_reward = TaskReward("rec", terms=("giou",), name="giou_reward")
"""(GIoU + 1) / 2, in [0, 1]; 0 without an answer."""

diou_reward = TaskReward("rec", terms=("diou",), name="diou_reward")
"""(DIoU + 1) / 2, in [0, 1]; 0 without an answer."""

ciou_reward = TaskReward("rec", terms=("ciou",), name="ciou_reward")
"""(CIoU + 1.5) / 2.5, in [0, 1]; 0 without an answer."""

count_reward = TaskReward("counting", terms=("exact",), name="count_reward")
"""1 for the right count, else 0."""

soft_count_reward = TaskReward("counting", terms=("soft",), name="soft_count_reward")
"""1 - |predicted - gold| / max(gold, 1), not below 0."""

math_reward = TaskReward("geometry", terms=("correct",), name="math_reward")
"""1 if the answer equals the gold expression, else 0."""
