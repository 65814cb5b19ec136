"""The verifiers functions through verifiers' own plug-in loader and `Task.score`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _verifiers(needs: Callable[[str], str]) -> None:
    needs("verifiers")


SCORE = {"fn": "vlreward.integrations.verifiers:score"}
NUMBERS = {"fn": "vlreward.integrations.verifiers:metrics"}


def scored(
    row: dict[str, Any],
    *,
    rewards: dict[str, Any],
    metrics: dict[str, Any] | None = None,
    reasoning: str | None = None,
) -> Any:
    """The trace of one rollout after verifiers has scored it."""
    import verifiers.v1 as vf
    from verifiers.v1.trace import AgentInfo, MessageNode, Trace, TraceTask
    from verifiers.v1.types import AssistantMessage

    class Data(vf.TaskData):  # type: ignore[misc, unused-ignore]
        solution: str

    data = Data(prompt="?", solution=row["gold"])
    config = vf.TaskConfig.model_validate({"rewards": rewards, "metrics": metrics or {}})
    task: Any = vf.Task(data, config)
    reply = AssistantMessage(content=row["completion"], reasoning_content=reasoning)
    trace: Any = Trace(
        task=TraceTask(type="Task", data=data),
        agent=AgentInfo(config=vf.AgentConfig()),
        nodes=[MessageNode(message=reply, sampled=True)],
    )
    asyncio.run(task.score(trace))
    return trace


def test_the_configuration_of_the_guide_is_one_of_verifiers(
    root: Path, rows: list[dict[str, Any]]
) -> None:
    import tomllib

    guide = tomllib.loads((root / "docs/trainers/verifiers.toml").read_text(encoding="utf-8"))
    trace = scored(rows[0], rewards=guide["rewards"], metrics=guide["metrics"])
    assert trace.reward == rows[0]["score"]
    assert trace.metrics["vlreward_score"] == rows[0]["score"]


def test_plugged_reward_and_metrics_for_all_tasks(rows: list[dict[str, Any]]) -> None:
    names: list[list[str]] = []
    for row in rows:
        trace = scored(row, rewards={"vlreward": SCORE}, metrics={"vlreward": NUMBERS})
        assert trace.reward == row["score"]
        assert trace.metrics["vlreward_score"] == row["score"]
        names.append(list(trace.metrics))
    assert all(found == names[0] for found in names)


def test_weights_and_single_terms(rows: list[dict[str, Any]]) -> None:
    module = "vlreward.integrations.verifiers"
    rewards = {
        "iou": {"fn": f"{module}:answer", "weight": 2.0},
        "format": {"fn": f"{module}:format_", "weight": 0.5},
    }
    trace = scored(rows[0], rewards=rewards)
    assert {name: r.value for name, r in trace.rewards.items()} == {"iou": 1.0, "format": 0.5}


def test_thinking_that_the_server_took_out_counts_for_the_format() -> None:
    row = {
        "completion": "<answer>4</answer>",
        "gold": '{"vlreward":1,"gold":{"task":"counting","count":4}}',
    }
    assert scored(row, rewards={"v": SCORE}).reward == 1.0
    assert scored(row, rewards={"v": SCORE}, reasoning="one, two").reward == 2.0


def test_a_bad_gold_fails_the_scoring_by_name() -> None:
    from verifiers.v1.errors import TaskError

    with pytest.raises(TaskError, match="expected a gold envelope"):
        scored({"completion": "x", "gold": "145"}, rewards={"v": SCORE})
