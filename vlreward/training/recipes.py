"""What the tasks train with by default: the settings of the published scripts."""

from __future__ import annotations

from typing import Any

from vlreward.task import Recipe
from vlreward.tasks import TASKS

__all__ = ["MIXTURE", "PROMPTS_PER_STEP", "defaults", "task_names"]

MIXTURE = "mixture"
"""Name of the run that trains on several tasks at once."""
PROMPTS_PER_STEP = 16
"""Questions of one optimizer step, over all devices."""
_GENERATIONS = 8


def defaults(
    task: str,
    *,
    world_size: int = 1,
    accelerator: bool = False,
    bf16: bool = False,
    workers: int = 0,
) -> dict[str, Any]:
    """The defaults of the options of both backends.

    From PaddleMIX `r1_mllm/scripts/run_grpo_*.sh`, which differ from each other in what each task's
    `recipe` says, and in the length of the run: one stopped after 100 steps, another after one
    epoch of its 8,000 rows, which is 500 steps. A mixture has the default recipe.

    Args:
        task: Name of a task, or `mixture`.
        world_size: Number of processes; gradient accumulation makes up for few of them.
        accelerator: Whether there is one.
        bf16: Whether it computes in bfloat16.
        workers: Processes that open images, for each training process.
    """
    recipe = Recipe() if task == MIXTURE else TASKS.get(task).recipe
    return {
        "max_steps": 500,
        "num_generations": _GENERATIONS,
        "per_device_train_batch_size": _GENERATIONS,
        "gradient_accumulation_steps": max(1, PROMPTS_PER_STEP // world_size),
        "max_completion_length": recipe.max_completion_length,
        "beta": 0.04,
        "learning_rate": 1e-6,
        "bf16": bf16,
        "gradient_checkpointing": True,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": 100,
        "save_total_limit": 1,
        "dataloader_num_workers": workers,
        "dataloader_pin_memory": accelerator,
        "use_cpu": not accelerator,
        "report_to": "none",
        "max_pixels": recipe.max_pixels,
        "freeze_vision": recipe.freeze_vision,
    }


def task_names() -> list[str]:
    """What a run can train: every task, and `mixture`."""
    return [*TASKS, MIXTURE]
