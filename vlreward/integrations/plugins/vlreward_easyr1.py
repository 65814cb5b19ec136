"""Reward function for EasyR1.

    worker.reward.reward_function=$(vlreward path easyr1):compute_score

The data's answer key must hold gold envelopes (`vlreward pack`), or bare golds together with the
options `task` and, for boxes, `frame` or `family`, in `worker.reward.reward_function_kwargs` or as
environment variables (`vlreward.integrations.settings`). The environment is read, and refused if it
is bad, when this file is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.integrations.scorer import scorer_for
from vlreward.integrations.settings import Settings
from vlreward.integrations.text import strip_end

REWARD_NAME = "vlreward"
REWARD_TYPE = "batch"

_DEFAULTS = Settings.from_environment()
scorer_for(_DEFAULTS)  # refuses a bad environment now rather than after the first rollout


def compute_score(
    reward_inputs: Sequence[dict[str, Any]], **options: Any
) -> list[dict[str, float]]:
    """Score a batch of responses.

    Args:
        reward_inputs: Each with `response` and `ground_truth`.
        options: Fields of `Settings`.

    Returns:
        For each `overall`, the weighted sum, and `acc`, `answer`, `format`, `parsed` and `timeout`.

    Raises:
        ValueError: If a gold or an option is bad, or a frame or size is missing; names the row.
    """
    texts = [strip_end(row["response"]) for row in reward_inputs]
    golds = [row["ground_truth"] for row in reward_inputs]
    scored = scorer_for(_DEFAULTS, options).scores(texts, golds)
    return [
        {"overall" if name == "score" else name: number for name, number in row.numbers.items()}
        for row in scored
    ]
