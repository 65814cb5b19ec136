"""Options of training: those of TRL's GRPOConfig under their names, on the library's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from vlreward.training.arguments import option
from vlreward_paddle.loss import LossOptions
from vlreward_paddle.shim import TrainingArguments

__all__ = ["GRPOConfig"]


@dataclass
class GRPOConfig(LossOptions, TrainingArguments):  # type: ignore[misc]
    """Options of the trainer. Build it with `vlreward_paddle.shim.launch_options`.

    An optimizer step takes `per_device_train_batch_size * gradient_accumulation_steps *
    processes` completions, sampled together. The accumulation is done here, in micro-batches of
    `per_device_train_batch_size`: the library sees one step for each optimizer step, and its own
    `gradient_accumulation_steps` stays 1 (with more it fails on CPUs). `micro_batches` has the
    number. `dataloader_num_workers` are threads here (`image_threads`): the library's loader hands
    out numbers, for which processes of its own would be waste.

    Raises:
        ValueError: If an option is out of its range.
    """

    gradient_accumulation_steps: int = option(1, "Micro-batches of an optimizer step.")
    num_generations: int = option(8, "Completions of each question, at least 2.")
    temperature: float = option(1.0, "Divides logits, in sampling and in the loss alike.")
    top_p: float = option(1.0, "Smallest probability mass to sample from.")
    top_k: int = option(0, "Most likely tokens to sample from; 0 for all.")
    num_iterations: int = option(1, "Optimizer steps on the same completions.")
    scale_rewards: str = option("group", "Divide advantages by the deviation: group, batch, none.")
    mask_truncated_completions: bool = option(False, "Leave truncated completions out of the loss.")
    reward_weights: Optional[list[float]] = option(None, "Weights in place of the terms' own.")  # noqa: UP045
    eval_on_start: bool = option(False, "Evaluate before the first step too.")
    shuffle_dataset: bool = option(True, "Draw questions in random order.")
    logprob_chunk_size: int = option(512, "Tokens whose logits are held at a time.")

    def __post_init__(self) -> None:
        if self.scale_rewards not in ("group", "batch", "none"):
            raise ValueError(
                f"expected scale_rewards group, batch or none, got {self.scale_rewards!r}"
            )
        LossOptions.__post_init__(self)
        self.micro_batches = int(self.gradient_accumulation_steps)
        self.gradient_accumulation_steps = 1
        self.image_threads = max(1, self.dataloader_num_workers)
        self.dataloader_num_workers: int = 0
        TrainingArguments.__post_init__(self)

    @property
    def eval_strategy(self) -> Any:
        """The library's `evaluation_strategy` by transformers' name."""
        return self.evaluation_strategy

    @property
    def completions_per_device(self) -> int:
        """Completions that one process samples for an optimizer step."""
        return int(self.per_device_train_batch_size * self.micro_batches)
