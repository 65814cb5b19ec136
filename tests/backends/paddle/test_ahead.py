"""Rows are made ahead: while the card computes, and once however often they come."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.fixed import FixedCodec, fixed_trainer, options
from vlreward_paddle.ahead import Ahead


def test_the_next_items_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []
    ready = threading.Event()

    def make(number: int) -> str:
        made.append(number)
        if number == 5:
            ready.set()
        return f"row {number}"

    ahead = Ahead(make, 2)
    first = ahead.take([1, 1, 2], following=[2, 5])
    assert first == ["row 1", "row 1", "row 2"]
    assert first[0] is first[1], "one object for a group"
    assert ready.wait(10), "made without being asked for"
    assert ahead.take([2, 5], following=[]) == ["row 2", "row 5"]
    assert sorted(made) == [1, 2, 2, 5]


def test_what_fails_ahead_is_said_when_it_is_needed() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise ValueError("row 3 has no image")
        return number

    ahead = Ahead(make, 1)
    assert ahead.take([1], following=[3]) == [1]
    with pytest.raises(ValueError, match="row 3 has no image"):
        ahead.take([3])


@pytest.mark.parametrize("iterations", [1, 2])
def test_a_run_makes_the_rows_of_the_next_step_while_it_takes_one(
    iterations: int, cases: Path, checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question a step: when completions of the second are drawn, the third is begun; no row is
    made that is never asked for, and none twice."""
    data = np.load(cases / "grpo_beta0_iterations1.npz")
    args = options(
        tmp_path,
        per_device_train_batch_size=4,
        num_iterations=iterations,
        max_steps=3 * iterations,
        shuffle_dataset=False,
    )
    trainer = fixed_trainer(checkpoint(), data, args)
    begun: list[set[int]] = []
    generate = trainer.generate
    encoded: list[str] = []

    class Codec(FixedCodec):
        def encode(self, row: dict[str, Any]) -> Any:
            encoded.append(row["id"])
            return super().encode(row)

    def noting(*given: Any) -> Any:
        begun.append(set(trainer.ahead.begun))
        return generate(*given)

    trainer.codec = Codec()
    monkeypatch.setattr(trainer, "generate", noting)
    trainer.train()
    assert begun == [{1}, {0}, set()]
    assert sorted(encoded) == ["0", "0", "4"]
