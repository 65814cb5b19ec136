"""The ready-made reward of structure, and the registry that lists all ready-made rewards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlreward.registry import Registry
from vlreward.rewards.text import FormatReward

__all__ = ["REWARDS", "format_reward"]

format_reward = FormatReward()
"""1 for think/answer structure, with the answer schema of the row's `task` column if any."""

REWARDS: Registry[Callable[..., Any]] = Registry("reward", group="vlreward.rewards")
"""Ready-made reward functions by name."""
