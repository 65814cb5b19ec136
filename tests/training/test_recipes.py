"""Defaults of the tasks, shared over processes."""

from __future__ import annotations

from typing import Any

import pytest

from vlreward.registry import Registry
from vlreward.tasks import TASKS, get_task
from vlreward.training.recipes import MIXTURE, PROMPTS_PER_STEP, RECIPES, recipe_for, task_names


@pytest.mark.parametrize("world_size", [1, 2, 8])
def test_processes_share_the_sixteen_questions(world_size: int) -> None:
    options = RECIPES["rec"].options(world_size=world_size, accelerator=True, bf16=True, workers=2)
    completions = options["per_device_train_batch_size"] * options["gradient_accumulation_steps"]
    assert completions * world_size == PROMPTS_PER_STEP * options["num_generations"]


def test_tasks_of_plug_ins_can_be_trained_too(monkeypatch: pytest.MonkeyPatch) -> None:
    known = task_names()
    assert known[:4] == ["rec", "counting", "geometry", MIXTURE]
    more: Registry[Any] = Registry("task", "vlreward.none")
    for name in TASKS:
        more.register(name, TASKS.get(name))
    more.register("touch", get_task("counting"))
    monkeypatch.setattr("vlreward.tasks.TASKS", more)
    assert task_names() == [*known, "touch"]
    assert recipe_for("touch") is RECIPES[MIXTURE]
