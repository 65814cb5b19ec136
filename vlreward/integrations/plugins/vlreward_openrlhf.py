"""Reward function for OpenRLHF.

    --reward.remote_url $(vlreward path openrlhf) --data.label_key answer

The label must be a gold envelope (`vlreward pack`), or a bare gold together with the environment
variables `VLREWARD_TASK` and, for boxes, `VLREWARD_FRAME` or `VLREWARD_FAMILY`
(`vlreward.integrations.settings`). The environment is read, and refused if it is bad, when this
file is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from vlreward.integrations.scorer import scorer_for
from vlreward.integrations.settings import Settings
from vlreward.integrations.text import response_of

_DEFAULTS = Settings.from_environment()
scorer_for(_DEFAULTS)  # refuses a bad environment now rather than after the first rollout
_LOG = logging.getLogger("vlreward.integrations.openrlhf")


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_options: Any
) -> dict[str, Any]:
    """Score one response, given as the decoded text of prompt and response together.

    Args:
        queries: One text: prompt and response with special tokens, image tokens expanded.
        prompts: One prompt, as it was before it was tokenized.
        labels: One gold.

    Returns:
        `rewards` and `scores`, the weighted sum, and `extra_logs` with the other numbers.

    Raises:
        ValueError: If there is not one of each, the query does not begin with its prompt, the gold
            is bad, or a frame or size is missing. It is logged as an error too, since OpenRLHF
            goes on without a reward after any exception.
    """
    try:
        if not len(queries) == len(prompts) == len(labels) == 1:
            raise ValueError(
                "expected one query, prompt and label at a time, as OpenRLHF 0.11 passes them, got "
                f"{len(queries)}, {len(prompts)} and {len(labels)}"
            )
        text = response_of(queries[0], prompts[0])
        numbers = dict(scorer_for(_DEFAULTS).score(text, labels[0]).numbers)
    except ValueError as error:
        _LOG.error("no reward: %s", error)
        raise
    score = numbers.pop("score")
    return {"rewards": score, "scores": score, "extra_logs": numbers}
