"""Ready-made rewards of detection, pointing and choice: a `TaskReward` of one term each.

Apart from `vlreward.tasks.rewards`, so that whoever wants a box's IoU loads no more than that.
"""

from __future__ import annotations

from vlreward.rewards.task_reward import TaskReward

__all__ = ["choice_reward", "detection_reward", "point_closeness_reward", "point_reward"]

detection_reward = TaskReward("detection", terms=("f1",), name="detection_reward")
"""Soft F1 of labelled boxes by one-to-one matching, in [0, 1]; 1 for rightly saying none."""

point_reward = TaskReward("pointing", terms=("inside",), name="point_reward")
"""1 if the point lies in the gold's box, polygon or disc, else 0."""

point_closeness_reward = TaskReward("pointing", terms=("closeness",), name="point_closeness_reward")
"""1 at the centre of the gold, falling with distance by the size of the gold; in [0, 1]."""

choice_reward = TaskReward("choice", terms=("exact",), name="choice_reward")
"""1 if exactly the right letters are named, else 0."""
