"""Dotted paths through TRL's own command-line script and reward computation."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [pytest.mark.filterwarnings("ignore")]

NAMES = [f"vlreward.rewards.{name}_reward" for name in ("iou", "count", "math", "format")]


@pytest.fixture(autouse=True)
def _trl(needs: Callable[[str], str]) -> None:
    needs("trl")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `trl grpo --reward_funcs ...` hands to the trainer."""
    import sys

    import datasets
    import trl
    from trl.scripts.grpo import GRPOScriptArguments, main

    given: dict[str, Any] = {}

    class Recorder:
        def __init__(self, **arguments: Any) -> None:
            given.update(arguments)
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trl, "GRPOTrainer", Recorder)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": None})
    script = GRPOScriptArguments(dataset_name="none", reward_funcs=NAMES)
    training = SimpleNamespace(
        model_init_kwargs=None, trust_remote_code=False, eval_strategy="no", use_vllm=False
    )
    with pytest.raises(KeyboardInterrupt):
        main(
            script,
            training,
            trl.ModelConfig(model_name_or_path="none"),
            SimpleNamespace(datasets=None, streaming=False),
        )
    functions: list[Any] = given["reward_funcs"]
    return functions


def calculate(functions: list[Any], rows: list[dict[str, Any]]) -> Any:
    """`GRPOTrainer._calculate_rewards`, with the state that it reads."""
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

    state = SimpleNamespace(
        accelerator=SimpleNamespace(
            device=torch.device("cpu"), is_main_process=True, gather=lambda x: x
        ),
        args=SimpleNamespace(report_to=[]),
        reward_funcs=functions,
        reward_processing_classes=[None] * len(functions),
        reward_func_names=[f.__name__ for f in functions],
        environments=None,
        state=SimpleNamespace(global_step=1),
        _log_completion_extra=lambda *_: None,
        _log_metric=lambda *_: None,
    )
    calculate: Any = GRPOTrainer._calculate_rewards
    return calculate(
        state,
        [{"prompt": [{"role": "user", "content": "?"}], "solution": row["gold"]} for row in rows],
        [[{"role": "user", "content": "?"}]] * len(rows),
        [[{"role": "assistant", "content": row["completion"]}] for row in rows],
        [[1, 2, 3]] * len(rows),
    )


def test_dotted_paths_load_and_score_a_mixture(
    loaded: list[Any], rows: list[dict[str, Any]]
) -> None:
    assert [f.__name__ for f in loaded] == [name.rsplit(".", 1)[1] for name in NAMES]
    found = calculate(loaded, rows)
    assert found.isnan().tolist() == [
        [False, True, True, False],
        [False, True, True, False],
        [True, False, True, False],
        [True, True, False, False],
        [True, True, False, False],
    ]
    assert found.nansum(dim=1).tolist() == [row["score"] for row in rows]
