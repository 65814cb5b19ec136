"""What numbers options may have: libraries take some others, and fail late, or train nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vlreward.errors import OptionError

__all__ = ["check_ranges"]

_AT_LEAST = {
    "num_generations": 2,
    **dict.fromkeys(
        (
            "per_device_train_batch_size", "per_device_eval_batch_size", "num_iterations",
            "gradient_accumulation_steps", "steps_per_generation", "max_completion_length",
            "early_stopping_patience", "lora_r", "lora_alpha", "logprob_chunk_size",
            "vllm_max_model_length", "vllm_tensor_parallel_size",
        ),
        1,
    ),
    **dict.fromkeys(
        (
            "beta", "learning_rate", "top_k", "seed", "dataloader_num_workers", "max_grad_norm",
            "weight_decay", "warmup_steps", "epsilon", "epsilon_high", "resample_groups",
            "scoring_batch_size", "max_logp_difference", "min_p", "adam_beta1", "adam_beta2",
            "adam_epsilon", "top_entropy_quantile",
        ),
        0,
    ),
}  # fmt: skip
_POSITIVE = (
    "temperature", "top_p", "num_train_epochs", "logging_steps", "save_steps", "eval_steps",
    "vllm_gpu_memory_utilization", "repetition_penalty", "delta",
)  # fmt: skip
_AT_MOST = {
    "temperature": 10,
    "seed": 2**32 - 1,
    **dict.fromkeys(("top_p", "min_p", "vllm_gpu_memory_utilization", "top_entropy_quantile"), 1),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), 1 - 1e-9),
}
_ENDLESS = {"epsilon", "epsilon_high", "delta", "max_grad_norm", "max_logp_difference"}
"""Limits, of which an infinite one is none."""
_FINITE = {*_AT_LEAST, *_POSITIVE} - _ENDLESS


def check_ranges(values: Mapping[str, Any]) -> None:
    """Look at the numbers among the values of options.

    Args:
        values: Values by the names of options; those that are no numbers are not looked at.

    Raises:
        OptionError: For the first that is out of its range, or not a number.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if math.isnan(value):
            expected = "a number"
        elif math.isinf(value) and name in _FINITE:
            expected = "a finite number"
        elif name == "max_steps" and (value == 0 or value < -1):
            expected = "at least 1, or -1 where --num_train_epochs counts"
        elif value < _AT_LEAST.get(name, -math.inf):
            expected = f"at least {_AT_LEAST[name]}"
        elif name in _POSITIVE and value <= 0:
            expected = "more than 0"
        elif value > (most := _AT_MOST.get(name, math.inf)):
            expected = f"at most {most}" if isinstance(most, int) else "less than 1"
        else:
            continue
        raise OptionError(f"--{name}: expected {expected}, got {value!r}")
