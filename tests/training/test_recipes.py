"""Defaults of the tasks, shared over processes."""

from __future__ import annotations

from typing import Any

import pytest

from vlreward.registry import Registry
from vlreward.task import Recipe
from vlreward.tasks import TASKS, get_task
from vlreward.training.recipes import MIXTURE, PROMPTS_PER_STEP, defaults, task_names


@pytest.mark.parametrize("world_size", [1, 2, 8])
def test_processes_share_the_sixteen_questions(world_size: int) -> None:
    options = defaults("rec", world_size=world_size, accelerator=True, bf16=True, workers=2)
    completions = options["per_device_train_batch_size"] * options["gradient_accumulation_steps"]
    assert completions * world_size == PROMPTS_PER_STEP * options["num_generations"]


@pytest.mark.parametrize(
    ("task", "limits"),
    [
        ("rec", (256, None, False)),
        ("counting", (512, 401_408, False)),
        ("geometry", (512, 401_408, True)),
        (MIXTURE, (512, 401_408, False)),
    ],
)
def test_limits_are_those_of_the_published_scripts(task: str, limits: tuple[Any, ...]) -> None:
    """PaddleMIX r1_mllm/scripts/run_grpo_{rec,counting,geometry}.sh; a mixture takes the larger."""
    options = defaults(task)
    names = ("max_completion_length", "max_pixels", "freeze_vision")
    assert tuple(options[name] for name in names) == limits


def test_tasks_of_plug_ins_are_trained_by_their_own_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert task_names() == [*TASKS, MIXTURE]
    more: Registry[Any] = Registry("task", "vlreward.none")
    recipe = Recipe(max_completion_length=77, freeze_vision=True)
    more.register("mine", get_task("counting").model_copy(update={"recipe": recipe}))
    monkeypatch.setattr("vlreward.training.recipes.TASKS", more)
    assert task_names() == ["mine", MIXTURE]
    assert defaults("mine")["max_completion_length"] == 77
    assert defaults("mine")["freeze_vision"] is True
