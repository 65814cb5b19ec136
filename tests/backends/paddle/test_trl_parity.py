"""Training on given rollouts equals TRL's `GRPOTrainer`; the fixtures are its own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from safetensors.numpy import load_file

from tests.backends.paddle.fixed import fixed_trainer, options


def saved(model: Any, path: Path) -> dict[str, np.ndarray]:
    """The parameters under transformers' names."""
    model.save_pretrained(path)
    found: dict[str, np.ndarray] = {}
    for file in path.glob("*.safetensors"):
        found |= load_file(file)
    return found


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("iterations", [1, 2])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_steps_equal_those_of_trl(
    beta: float, iterations: int, accumulate: int, cases: Path, checkpoint: Any, tmp_path: Path
) -> None:
    name = f"grpo_beta{beta:g}_iterations{iterations}"
    data = np.load(cases / f"{name}.npz")
    args = options(
        tmp_path / "out",
        beta=beta,
        num_iterations=iterations,
        max_steps=iterations,
        temperature=0.9,
        loss_type="grpo",
        per_device_train_batch_size=8 // accumulate,
        gradient_accumulation_steps=accumulate,
    )
    trainer = fixed_trainer(checkpoint(), data, args)
    trainer.train()

    assert len(trainer.noted) == iterations * accumulate
    for step in range(iterations):
        parts = trainer.noted[step * accumulate : (step + 1) * accumulate]
        loss = np.mean([part["loss"] for part in parts])
        # The first loss at beta 0 is a sum of advantages, which is 0 but for rounding.
        np.testing.assert_allclose(loss, data["loss"][step], rtol=1e-5, atol=1e-7)
        for i, part in enumerate(parts):
            rows = slice(i * (8 // accumulate), (i + 1) * (8 // accumulate))
            np.testing.assert_allclose(part["advantages"], data["advantages"][rows], rtol=1e-5)
            width = part["mask"].shape[1]
            theirs = data["logps"][step][rows, :width] * part["mask"]
            np.testing.assert_allclose(part["logps"] * part["mask"], theirs, atol=2e-5)

    before = load_file(checkpoint() / "model.safetensors")
    after = load_file(cases / f"{name}.safetensors")
    ours = saved(trainer.model, tmp_path / "saved")
    assert ours.keys() == after.keys()
    worst = max(np.abs(ours[key] - after[key]).max() for key in after)
    assert worst < 1e-4
    # Beside how far the parameters moved, not only beside their size.
    moved = np.concatenate([(after[key] - before[key]).ravel() for key in after])
    missed = np.concatenate([(ours[key] - after[key]).ravel() for key in after])
    assert np.abs(moved).max() > 5e-4
    assert np.linalg.norm(missed) < 1e-2 * np.linalg.norm(moved)
