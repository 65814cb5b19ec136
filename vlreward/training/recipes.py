"""What the tasks train with by default: the settings of the published scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.task import Recipe
from vlreward.tasks import TASKS

__all__ = ["EVAL_OPTIONS", "MIXTURE", "PROMPTS_PER_STEP", "defaults", "task_names"]

MIXTURE = "mixture"
"""Name of the run that trains on several tasks at once."""
PROMPTS_PER_STEP = 16
"""Questions of one optimizer step, over all devices."""
EVAL_OPTIONS = frozenset({"eval_data", "eval_split", "val_split_ratio"})
"""Options that name data for evaluation during training."""
_GENERATIONS = 8


def defaults(
    task: str,
    *,
    world_size: int = 1,
    accelerator: bool = False,
    bf16: bool = False,
    workers: int = 0,
    chosen: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The defaults of the options of both backends.

    From PaddleMIX `r1_mllm/scripts/run_grpo_*.sh`, which differ from each other in what each task's
    `recipe` says, and in the length of the run: one stopped after 100 steps, another after one
    epoch of its 8,000 rows, which is 500 steps. A mixture has the default recipe.

    The loss is theirs, and that of VLM-R1 and R1-V: the mean over the tokens of each completion,
    then over completions (`grpo`). So is the sampling, from the 50 most likely tokens; but not by
    vLLM, with which those projects sample from all of them, and whose probabilities, which correct
    the loss, would be those of 50 tokens.

    Args:
        task: Name of a task, or `mixture`.
        world_size: Number of processes; gradient accumulation makes up for few of them.
        accelerator: Whether there is one.
        bf16: Whether it computes in bfloat16.
        workers: Processes that open images, for each training process.
        chosen: Options that were given, by name: an epoch count takes the place of the steps, and
            data for evaluation are evaluated as often as a checkpoint is saved.
    """
    recipe = Recipe() if task == MIXTURE else TASKS.get(task).recipe
    chosen = chosen or {}
    found = {
        "max_steps": 500,
        "num_generations": _GENERATIONS,
        "per_device_train_batch_size": _GENERATIONS,
        "gradient_accumulation_steps": max(1, PROMPTS_PER_STEP // world_size),
        "max_completion_length": recipe.max_completion_length,
        "loss_type": "grpo",
        "top_k": 50,
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
    if "num_train_epochs" in chosen:
        del found["max_steps"]
    if chosen.get("use_vllm"):
        del found["top_k"]
    if EVAL_OPTIONS & chosen.keys():
        found |= {
            "eval_strategy": "steps",
            "eval_steps": chosen.get("save_steps", found["save_steps"]),
            "eval_on_start": True,
            "metric_for_best_model": "acc",
            "greater_is_better": True,
        }
        if "early_stopping_patience" in chosen:
            found["load_best_model_at_end"] = True
    return found


def task_names() -> list[str]:
    """What a run can train: every task, and `mixture`."""
    return [*TASKS, MIXTURE]
