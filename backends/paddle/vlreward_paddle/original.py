"""What became of the options of PaddleMIX's r1_mllm scripts."""

from __future__ import annotations

from collections.abc import Sequence

from vlreward.errors import OptionError

__all__ = ["ALIASES", "refuse_old_names"]

ALIASES = {
    "model_name_or_path": "model",
    "eval_strategy": "evaluation_strategy",
    "dataset_config": "data_config",
    "dataset_train_split": "split",
    "dataset_test_split": "eval_split",
}
"""Names of the original, and of TRL, that mean the same as one of ours."""
_NONE = "it was declared and never read"
_ANSWERS = {
    "dataset_name": "say --data FILE, DIR or hf:OWNER/NAME",
    "reward_funcs": "say --terms, e.g. --terms exact format; --protocol paddlemix scores as the "
    "original did",
    "reward_method": "say --protocol",
    "max_prompt_length": "prompts are never cut, which took part of the image's tokens with it; "
    "bound the image by --max-pixels",
    "log_completions": "every completion goes to OUTPUT_DIR/traces, which `vlreward doctor` reads",
    "sync_ref_model": _NONE,
    "ref_model_mixup_alpha": _NONE,
    "ref_model_sync_steps": _NONE,
    "ds3_gather_for_generation": _NONE,
    "model_init_kwargs": _NONE,
    "torch_dtype": "say --bf16 or --fp16",
    "dtype": "say --bf16 or --fp16",
}


def refuse_old_names(words: Sequence[str]) -> None:
    """Answer options of the original that have no counterpart of that name.

    Args:
        words: The command line behind the task.

    Raises:
        OptionError: For the first of them; says what to use.
    """
    for word in words:
        name = word.partition("=")[0]
        answer = _ANSWERS.get(name[2:].replace("-", "_")) if name.startswith("--") else None
        if answer is not None:
            raise OptionError(f"{name} is an option of PaddleMIX's r1_mllm: {answer}")
