"""What both training backends have in common: rows, checks, rewards, traces and recipes.

None of it needs torch or trl. It is imported in this one place.
"""

from __future__ import annotations

from vlreward_trl.arguments import Arguments, OptionError
from vlreward_trl.checks import check_images
from vlreward_trl.columns import Columns, size_problem
from vlreward_trl.dry_run import _data as data_text
from vlreward_trl.dry_run import _frame as frame_text
from vlreward_trl.dry_run import _rewards as rewards_text
from vlreward_trl.memory import estimate
from vlreward_trl.models import ModelSize, frame_of
from vlreward_trl.preparing import _rewards as task_rewards
from vlreward_trl.preparing import _samples as load_samples
from vlreward_trl.preparing import _tasks as tasks_of
from vlreward_trl.processing import Resizing
from vlreward_trl.recipes import MIXTURE, RECIPES, recipe_for
from vlreward_trl.rewards import TermReward, term_rewards
from vlreward_trl.traces import TraceFile

__all__ = [
    "MIXTURE",
    "RECIPES",
    "Arguments",
    "Columns",
    "ModelSize",
    "OptionError",
    "Resizing",
    "TermReward",
    "TraceFile",
    "check_images",
    "data_text",
    "estimate",
    "frame_of",
    "frame_text",
    "load_samples",
    "recipe_for",
    "rewards_text",
    "size_problem",
    "task_rewards",
    "tasks_of",
    "term_rewards",
]
