"""The memory estimate, added up by hand."""

from __future__ import annotations

import pytest

from vlreward.training.memory import STRATEGIES, estimate
from vlreward.training.models import ModelSize


def _estimate(**changes: object) -> float:
    size = ModelSize(1000, 300, 10, 2, 8, 16, 32, 100)
    fixed: dict[str, object] = {
        "strategy": "single",
        "world_size": 1,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "completions": 1,
        "generated": 1,
        "beta": 0.04,
        "bf16": False,
    }
    return estimate(size, **{**fixed, **changes}).total  # type: ignore[arg-type]


def test_memory_adds_up_by_hand() -> None:
    # weights 4, reference 4, gradients 4, two moments 8, for each of 1,000 parameters
    assert _estimate() == 20_000
    assert _estimate(beta=0.0) == 16_000
    assert _estimate(freeze_vision=True) == 8_000 + 700 * 12
    assert _estimate(lora_rank=2) == (1000 + 20) * 4 + 20 * 12
    assert _estimate(bf16=True) == 22_000
    assert _estimate(strategy="zero2", world_size=4) == 8_000 + 3_000
    # the output layer of 100 tokens and 8 dimensions, and its gradient, are whole
    whole = 2 * 100 * 8 * 4
    assert _estimate(strategy="fsdp2", world_size=4) == 2_000 + max(4_000, 1_000 + whole) + 2_000


def test_unknown_strategies_are_an_error() -> None:
    with pytest.raises(ValueError, match=f"one of {', '.join(STRATEGIES)}"):
        _estimate(strategy="zero4")
