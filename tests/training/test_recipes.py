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


def test_loss_and_sampling_are_those_of_the_published_scripts() -> None:
    """VLM-R1 grpo_trainer.py:771, R1-V and PaddleMIX r1_mllm alike: the mean over the tokens of
    each completion; top_k 50, literally or as transformers' default then. Not with vLLM."""
    options = defaults("rec")
    assert (options["loss_type"], options["top_k"]) == ("grpo", 50)
    assert "top_k" not in defaults("rec", chosen={"use_vllm": True})


def test_epochs_take_the_place_of_steps() -> None:
    assert defaults("rec")["max_steps"] == 500
    assert "max_steps" not in defaults("rec", chosen={"num_train_epochs": 2})


def test_evaluation_data_are_evaluated() -> None:
    assert "eval_strategy" not in defaults("rec")
    options = defaults("rec", chosen={"eval_data": "d", "save_steps": 7})
    assert (options["eval_strategy"], options["eval_steps"]) == ("steps", 7)
    assert options["metric_for_best_model"] == "acc"


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
