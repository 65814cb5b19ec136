"""A trainer with given rollouts, for tests that compare it with TRL, other processes or itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from vlreward_paddle.config import GRPOConfig
from vlreward_paddle.lora import add_adapter
from vlreward_paddle.modeling import load_model
from vlreward_paddle.rollout import Prompt
from vlreward_paddle.shim import launch_options
from vlreward_paddle.trainer import GRPOTrainer

REFERENCE_SCALE = 0.98
EOS, PAD = 2, 0


class FixedCodec:
    """Hands out the prompts of a fixture."""

    eos_ids, pad_id = (EOS,), PAD

    def encode(self, row: dict[str, Any]) -> Prompt:
        prompt: Prompt = row["encoded"]
        return prompt

    def decode(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


class FixedTrainer(GRPOTrainer):
    """Takes completions from the rows; notes losses, log-probabilities and gradients."""

    noted: list[dict[str, Any]]

    def generate(self, prompts: Sequence[Prompt], rows: Sequence[dict[str, Any]]) -> Any:
        # A group may lie on several processes: count from the first completion of this one.
        rank = paddle.distributed.get_rank()
        drawn, taken = [], rank * len(rows) % self.args.num_generations
        last = rows[0]["id"]
        for row in rows:
            if row["id"] != last:
                taken, last = 0, row["id"]
            drawn.append(row["given"][taken % len(row["given"])])
            taken += 1
        return drawn

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False) -> Any:
        loss, logps = super().compute_loss(model, inputs, return_outputs=True)
        self.noted.append(
            {
                "loss": float(loss),
                "logps": logps.numpy(),
                "advantages": inputs.advantages.numpy(),
                "mask": inputs.mask.numpy(),
            }
        )
        return loss


def reward(completions: Any, rewards: Any, completion_ids: Any, **_: Any) -> list[float]:
    """The reward that the fixture gives to a completion."""
    return [table[tuple(ids)] for table, ids in zip(rewards, completion_ids)]


def fixture_rows(data: Any) -> list[dict[str, Any]]:
    """The two questions of the fixture with their completions and rewards."""
    ends = np.cumsum([0, *data["image_grid_thw"].prod(axis=1)])
    rows = []
    for start in (0, 4):
        completions = [
            data["completion_ids"][i][data["completion_mask"][i] == 1].tolist()
            for i in range(start, start + 4)
        ]
        rows.append(
            {
                "id": str(start),
                "prompt": [],
                "encoded": Prompt(
                    data["input_ids"][start][data["attention_mask"][start] == 1].tolist(),
                    data["pixel_values"][ends[start] : ends[start + 1]],
                    data["image_grid_thw"][start : start + 1],
                ),
                "given": completions,
                "rewards": {
                    tuple(ids): float(r)
                    for ids, r in zip(completions, data["rewards"][start : start + 4])
                },
            }
        )
    return rows


def options(output_dir: Path, **more: Any) -> GRPOConfig:
    """Options for a CPU, without files unless asked for."""
    return GRPOConfig(
        **launch_options(
            {
                "output_dir": str(output_dir),
                "device": "cpu",
                "num_generations": 4,
                "max_completion_length": 10,
                "per_device_train_batch_size": 8,
                "learning_rate": 1e-3,
                "lr_scheduler_type": "constant",
                "max_grad_norm": 1.0,
                "logging_steps": 1,
                "save_strategy": "no",
                "report_to": "none",
                "shuffle_dataset": False,
                "disable_tqdm": True,
                "weight_decay": 0.0,
                **more,
            }
        )
    )


def fixed_trainer(
    checkpoint: Path, data: Any, args: GRPOConfig, *, banned: Any = (), adapter: Any = None
) -> Any:
    """The trainer of the fixture; nothing is banned, as TRL's log-probabilities ban nothing."""
    logging.disable(logging.WARNING)
    model = load_model(checkpoint)
    model.ban(banned)
    reference = None
    if adapter is not None:
        add_adapter(model, adapter)
    elif args.beta:
        reference = load_model(checkpoint)
        reference.ban(banned)
        for parameter in reference.parameters():
            parameter.set_value(parameter * REFERENCE_SCALE)
    trainer = FixedTrainer(
        model, args, fixture_rows(data), FixedCodec(), [reward], ref_model=reference
    )
    trainer.noted = []
    return trainer
