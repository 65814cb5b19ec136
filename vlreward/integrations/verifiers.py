"""Reward and metric functions for verifiers.

    [env.taskset.task.rewards.vlreward]
    fn = "vlreward.integrations.verifiers:score"

    [env.taskset.task.metrics.vlreward]
    fn = "vlreward.integrations.verifiers:metrics"

The task's data must hold its gold in a field `gold`, `solution`, `ground_truth` or `answer`: an
envelope (`vlreward pack`), or a bare gold together with the settings
(`vlreward.integrations.settings`) in environment variables, which are read, and refused if they are
bad, when this module is imported.
"""

from __future__ import annotations

import asyncio
from typing import Any

from vlreward._messages import with_thinking
from vlreward.integrations.scorer import COLUMNS, Scored, scorer_for
from vlreward.integrations.settings import Settings
from vlreward.integrations.text import strip_end

__all__ = ["answer", "format_", "metrics", "score"]

_DEFAULTS = Settings.from_environment()
scorer_for(_DEFAULTS)  # refuses a bad environment now rather than after the first rollout
_GOLDS = ("gold", "solution", "ground_truth", "answer")


async def score(task: Any, trace: Any) -> float:
    """The weighted sum of the task's terms, for the last reply of a trace.

    Args:
        task: The task's data, with the gold in one of its fields.
        trace: The trace, with `last_reply` and `is_truncated`.

    Raises:
        ValueError: If there is no gold or it is bad, or a frame or size is missing.
    """
    return (await _scored(task, trace)).numbers["score"]


async def answer(task: Any, trace: Any) -> float:
    """The term that looks at the answer alone, e.g. the IoU; see `score`."""
    return (await _scored(task, trace)).numbers["answer"]


async def format_(task: Any, trace: Any) -> float:
    """1 for the format that the task asks for, else 0; see `score`."""
    return (await _scored(task, trace)).numbers["format"]


async def metrics(task: Any, trace: Any) -> dict[str, float]:
    """All numbers of `Scored.numbers`, each under a name that begins with `vlreward_`."""
    numbers = (await _scored(task, trace)).numbers
    return {f"vlreward_{name}": number for name, number in numbers.items()}


async def _scored(task: Any, trace: Any) -> Scored:
    found = [name for name in _GOLDS if getattr(task, name, None) is not None]
    if len(found) != 1:
        raise ValueError(
            f"expected the gold in one of the fields {', '.join(_GOLDS)} of {type(task).__name__}, "
            f"got {found or 'none'}"
        )
    columns = {name: getattr(task, name, None) for name in COLUMNS}
    columns["truncated"] = bool(getattr(trace, "is_truncated", False))
    scorer = scorer_for(_DEFAULTS)
    # A comparison may wait for a worker process, which must not hold up the event loop.
    return await asyncio.to_thread(
        scorer.score, _text_of(trace), getattr(task, found[0]), **columns
    )


def _text_of(trace: Any) -> str:
    """The last reply, with the thinking in its tags where the model's server took it out."""
    text = strip_end(trace.last_reply)
    messages = getattr(trace, "assistant_messages", None)
    thinking = getattr(messages[-1], "reasoning_content", None) if messages else None
    return with_thinking(text, thinking)
