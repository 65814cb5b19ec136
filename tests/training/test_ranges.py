"""Numbers that no option can have are refused before anything is loaded."""

from __future__ import annotations

import math

import pytest

from vlreward.errors import OptionError
from vlreward.training.ranges import check_ranges


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num_generations", 1, "at least 2"),
        ("per_device_train_batch_size", 0, "at least 1"),
        ("gradient_accumulation_steps", 0, "at least 1"),
        ("num_iterations", 0, "at least 1"),
        ("max_completion_length", -3, "at least 1"),
        ("early_stopping_patience", 0, "at least 1"),
        ("max_steps", 0, "at least 1, or -1 where --num_train_epochs counts"),
        ("num_train_epochs", 0.0, "more than 0"),
        ("save_steps", 0.0, "more than 0"),
        ("temperature", 0.0, "more than 0"),
        ("top_p", 2.0, "at most 1"),
        ("top_k", -5, "at least 0"),
        ("beta", -1.0, "at least 0"),
        ("vllm_gpu_memory_utilization", 25.0, "at most 1"),
        ("vllm_gpu_memory_utilization", 0.0, "more than 0"),
        ("seed", -1, "at least 0"),
        ("learning_rate", math.nan, "a number"),
        ("anything", math.nan, "a number"),
        ("scoring_batch_size", -4, "at least 0"),
        ("learning_rate", math.inf, "a finite number"),
        ("num_train_epochs", math.inf, "a finite number"),
        ("adam_beta1", 2.0, "less than 1"),
        ("adam_epsilon", -1.0, "at least 0"),
        ("min_p", 2.0, "at most 1"),
        ("repetition_penalty", 0.0, "more than 0"),
        ("top_entropy_quantile", 2.0, "at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(name: str, value: float, expected: str) -> None:
    """Some ended in a traceback after the model was loaded; with some nothing was trained."""
    with pytest.raises(OptionError, match=rf"^--{name}: expected {expected}, got {value!r}$"):
        check_ranges({"beta": 0.04, name: value})


def test_what_may_be_meant_is_taken() -> None:
    check_ranges(
        {
            "max_steps": -1, "num_train_epochs": 0.5, "learning_rate": 0.0, "save_steps": 0.1,
            "top_p": 1.0, "top_k": 0, "beta": 0.0, "max_grad_norm": math.inf, "use_peft": False,
            "top_entropy_quantile": 0.2, "data": "x.jsonl", "eval_steps": None,
        }
    )  # fmt: skip
