"""What the tasks train with by default: the settings of the published scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["MIXTURE", "PROMPTS_PER_STEP", "RECIPES", "Recipe", "recipe_for", "task_names"]

MIXTURE = "mixture"
"""Name of the run that trains on several tasks at once."""
PROMPTS_PER_STEP = 16
"""Questions of one optimizer step, over all devices."""
_GENERATIONS = 8


@dataclass(frozen=True, slots=True)
class Recipe:
    """Defaults of one task; every one of them is an option of the command line."""

    max_completion_length: int
    """Longest completion in tokens."""
    max_pixels: int | None
    """Largest area in pixels of the image that the model sees; None leaves the processor's own."""
    freeze_vision: bool
    """Whether the vision tower stays as it is."""

    def options(
        self, *, world_size: int, accelerator: bool, bf16: bool, workers: int
    ) -> dict[str, Any]:
        """The defaults of the options of both backends' `GRPOConfig`.

        Args:
            world_size: Number of processes; gradient accumulation makes up for few of them.
            accelerator: Whether there is one.
            bf16: Whether it computes in bfloat16.
            workers: Processes that open images, for each training process.
        """
        return {
            "max_steps": 500,
            "num_generations": _GENERATIONS,
            "per_device_train_batch_size": _GENERATIONS,
            "gradient_accumulation_steps": max(1, PROMPTS_PER_STEP // world_size),
            "max_completion_length": self.max_completion_length,
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
        }


RECIPES: dict[str, Recipe] = {
    "rec": Recipe(256, None, False),
    "counting": Recipe(512, 401_408, False),
    "geometry": Recipe(512, 401_408, True),
    MIXTURE: Recipe(512, 401_408, False),
}
"""By task. From PaddleMIX `r1_mllm/scripts/run_grpo_{rec,counting,geometry}.sh`, which differ in
two more points: counting stopped after 100 steps, and geometry after one epoch of its 8,000 rows,
which is 500 steps. The mixture takes the larger value of each limit."""


def recipe_for(task: str) -> Recipe:
    """The recipe of a task; that of the mixture for tasks of plug-ins."""
    return RECIPES.get(task, RECIPES[MIXTURE])


def task_names() -> list[str]:
    """What a run can train: what has a recipe, `mixture` among it, then the tasks of plug-ins."""
    from vlreward.tasks import TASKS

    return [*RECIPES, *sorted({name.partition("@")[0] for name in TASKS} - set(RECIPES))]
