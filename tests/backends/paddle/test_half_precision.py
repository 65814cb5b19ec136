"""What float16 needs, without the cards that have it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle

from tests.backends.paddle.fixed import fixed_trainer, options


class CountingScaler:
    """What `paddle.amp.GradScaler` does with a finite gradient."""

    SCALE = 2.0**15
    _cache_found_inf = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self.calls: Counter[str] = Counter()
        self._scale = paddle.to_tensor([self.SCALE])

    def scale(self, loss: Any) -> Any:
        self.calls["scale"] += 1
        return loss * self.SCALE

    def step(self, optimizer: Any) -> None:
        self.calls["step"] += 1
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                with paddle.no_grad():
                    parameter.grad.scale_(1 / self.SCALE)
        optimizer.step()

    def update(self) -> None:
        self.calls["update"] += 1


def test_float16_scales_its_loss(cases: Path, checkpoint: Any, tmp_path: Path) -> None:
    """Each micro-batch's loss is scaled, so the step is that of float32, whose numbers it has
    here."""
    data = np.load(cases / "grpo_beta0.04_iterations1.npz")
    weights = []
    for scaled in (False, True):
        args = options(
            tmp_path, beta=0.04, max_steps=2, per_device_train_batch_size=4,
            gradient_accumulation_steps=2,
        )  # fmt: skip
        trainer = fixed_trainer(checkpoint(), data, args)
        scaler = CountingScaler(trainer.model)
        if scaled:
            trainer.do_grad_scaling, trainer.scaler = True, scaler
        trainer.train()
        weights.append({n: p.numpy() for n, p in trainer.model.state_dict().items()})
    assert scaler.calls == {"scale": 4, "step": 2, "update": 2}
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=1e-5, err_msg=name)
