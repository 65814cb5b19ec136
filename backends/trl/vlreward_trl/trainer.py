"""TRL's trainer, with checkpoints that can be resumed, and two columns about its costs."""

from __future__ import annotations

import time
from typing import Any

import torch

from vlreward_trl.watching import WatchingGRPOTrainer

__all__ = ["CheckpointError", "ResumableGRPOTrainer"]


class CheckpointError(ValueError):
    """A checkpoint whose weights are not those of the model."""


class ResumableGRPOTrainer(WatchingGRPOTrainer):
    """`GRPOTrainer` whose checkpoints of vision-language models are read with the right names.

    transformers writes weights under the names of the published checkpoints and renames them in
    `from_pretrained` alone. `Trainer`, when it resumes, does not: no name fits, and training goes
    on from the base model, with a warning (transformers #43701). Here the weights of a checkpoint
    are read by `from_pretrained`, and a missing one is an error.

    Two columns are added to the logs: `seconds/generation` of each batch of completions, and
    `memory/peak_gib`, the most that tensors have taken of the first process's GPU so far.
    """

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        generated = super()._generate_single_turn(*args, **kwargs)
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["seconds/generation"].append(time.perf_counter() - started)
        if torch.cuda.is_available():
            metrics["memory/peak_gib"].append(torch.cuda.max_memory_allocated() / 1024**3)
        return generated

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or _is_adapter(self.model):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        self._copy_weights(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or _is_adapter(self.model):
            super()._load_best_model()
            return
        assert self.state.best_model_checkpoint is not None
        self._copy_weights(self.state.best_model_checkpoint)

    def _copy_weights(self, checkpoint: str) -> None:
        model = self.accelerator.unwrap_model(self.model)
        loaded, found = type(model).from_pretrained(
            checkpoint, dtype=model.dtype, output_loading_info=True
        )
        if wrong := {kind: sorted(found[kind]) for kind in _KINDS if found[kind]}:
            raise CheckpointError(
                f"expected the weights of {type(model).__name__} in {checkpoint!r}, got {wrong!r}"
            )
        model.load_state_dict(loaded.state_dict())


_KINDS = ("missing_keys", "unexpected_keys", "mismatched_keys")


def _is_adapter(model: Any) -> bool:
    return hasattr(model, "peft_config")
