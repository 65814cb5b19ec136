"""Reward function for verl.

    reward.custom_reward_function.path=pkg://vlreward.integrations.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.family=qwen2.5-vl

Options are the fields of `Settings`, as `reward_kwargs` or, for all processes alike, as environment
variables. The environment is read, and refused if it is bad, when this module is imported.
"""

from __future__ import annotations

from typing import Any

from vlreward.golds import is_envelope
from vlreward.integrations.scorer import COLUMNS, scorer_for
from vlreward.integrations.settings import Settings
from vlreward.integrations.text import strip_end
from vlreward.tasks import TASKS

__all__ = ["compute_score"]

_DEFAULTS = Settings.from_environment()
scorer_for(_DEFAULTS)  # refuses a bad environment now rather than after the first rollout


def compute_score(
    data_source: Any = None,
    solution_str: str = "",
    ground_truth: Any = None,
    extra_info: Any = None,
    **options: Any,
) -> dict[str, float]:
    """Score one response.

    Args:
        data_source: Name of the data set; names the task of a bare gold if it is that of a task.
        solution_str: The response.
        ground_truth: Gold envelope, or a bare gold.
        extra_info: May hold `task` and what else `scorer.COLUMNS` names: `image_size`,
            `input_size`, `frame`, `axis_order`, `metadata`, `truncated`.
        options: `reward_kwargs`: fields of `Settings`. What verl itself passes is ignored.

    Returns:
        `score`, and `acc`, `answer`, `format`, `parsed` and `timeout`: the same keys for every
        task, each a finite number; see `Scored.numbers`.

    Raises:
        ValueError: If the gold or an option is bad, or a frame or size is missing.

    Example:
        >>> from vlreward.tasks.rec import REC
        >>> compute_score(REC.name, "<answer>[0, 0, 10, 10]</answer>", [0, 0, 10, 20],
        ...               frame="original_px")["score"]
        0.5
    """
    scorer = scorer_for(_DEFAULTS, options)
    extra = extra_info if isinstance(extra_info, dict) else {}
    task = extra.get("task")
    if task is None and scorer.settings.task is None and not is_envelope(ground_truth):
        task = data_source if data_source in TASKS else None
    columns = {name: extra.get(name) for name in COLUMNS}
    return scorer.score(strip_end(solution_str), ground_truth, task=task, **columns).numbers
