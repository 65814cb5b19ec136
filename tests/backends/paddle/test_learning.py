"""Training makes rewards rise: of a toy objective, and of the half-trained tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle

from tests.backends.paddle.fixed import FixedCodec, options
from tests.tiny import PACKAGED
from vlreward_paddle.modeling import load_model
from vlreward_paddle.rollout import Prompt
from vlreward_paddle.trainer import GRPOTrainer

LOW = 40


def low_share(completions: Any, completion_ids: list[list[int]], **_: Any) -> list[float]:
    """The share of tokens below `LOW`."""
    return [sum(token < LOW for token in ids) / len(ids) for ids in completion_ids]


class Encoded(FixedCodec):
    """Rows hold their prompts."""


def test_a_toy_objective_reaches_nine_tenths(checkpoint: Any, tmp_path: Path) -> None:
    args = options(
        tmp_path,
        per_device_train_batch_size=16,
        num_generations=8,
        max_completion_length=8,
        max_steps=50,
        learning_rate=5e-3,
        logging_steps=1,
        shuffle_dataset=True,
    )
    rows = [{"id": str(i), "prompt": [], "encoded": Prompt([8 + i, 20, 30 + i])} for i in range(6)]
    rewards: list[float] = []

    class Noting(GRPOTrainer):
        def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            super().log(logs, *args, **kwargs)
            rewards.extend(value for name, value in self.last_metrics.items() if name == "reward")

    model = load_model(checkpoint())
    trainer = Noting(model, args, rows, Encoded(), [low_share])
    trainer.train()
    assert rewards[0] < 0.5
    assert max(rewards) > 0.9
    assert sum(rewards[-5:]) / 5 > 0.9


def write_scenes(path: Path, task: Any, split: Any, count: int) -> Path:
    """Scenes with their images as rows that the loader knows."""
    from vlreward.scenes import make_scene

    images = path / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        scene = make_scene(task, split, i, level="easy")
        name = f"{split}-{i}.png"
        scene.image.save(images / name)
        rows.append({"image_path": name, "question": scene.question, "ground_truth": scene.gold})
    file = path / f"{task}-{split}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def accuracy(trainer: GRPOTrainer, file: Path, images: Path, task: str) -> float:
    """Share of held-out questions that the model answers rightly, greedily."""
    import dataclasses

    from vlreward.data import load
    from vlreward.rewards import TaskReward
    from vlreward.tasks import get_task
    from vlreward.training.columns import Rows
    from vlreward_paddle import rollout

    data = load(str(file), task=task, image_root=images)
    assert isinstance(trainer.rows, Rows)
    rows = dataclasses.replace(trainer.rows, dataset=data)[:]
    greedy = dataclasses.replace(trainer.sampling, temperature=0.0)
    texts = []
    for start in range(0, len(rows), 50):
        prompts = [trainer.codec.encode(row) for row in rows[start : start + 50]]
        texts += [trainer.codec.decode(t) for t in rollout.generate(trainer.model, prompts, greedy)]
    term = get_task(task).terms[0].name
    reward = TaskReward(task, terms=[term])
    values = reward(texts, [row["solution"] for row in rows], task=[task] * len(rows))
    return sum(value or 0 for value in values) / len(values)


@pytest.mark.slow
def test_the_half_trained_model_gets_better(tmp_path: Path) -> None:
    """From the packaged checkpoint, through the command line's own path, on held-out questions.

    It counts at a glance, and is right half of the time; there is little to gain in geometry.
    """
    task = "counting"
    from vlreward_paddle.arguments import parse
    from vlreward_paddle.preparing import prepare
    from vlreward_paddle.training import build_trainer

    data = write_scenes(tmp_path, task, "train", 200)
    held_out = write_scenes(tmp_path, task, "test", 100)
    steps = 20
    words = {
        "model": str(PACKAGED / "half"),
        "data": data,
        "image_root": tmp_path / "images",
        "output_dir": tmp_path / "out",
        "max_steps": steps,
        "per_device_train_batch_size": 64,
        "gradient_accumulation_steps": 1,
        "num_generations": 8,
        "max_completion_length": 64,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "gradient_checkpointing": "false",
        "save_strategy": "no",
    }
    argv = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    trainer = build_trainer(prepare(parse([task, *argv])))
    before = accuracy(trainer, held_out, tmp_path / "images", task)
    paddle.seed(0)
    trainer.train()
    after = accuracy(trainer, held_out, tmp_path / "images", task)
    print(f"{task}: held-out accuracy {before:.3f} before, {after:.3f} after {steps} steps")
    assert after > before + 0.05
