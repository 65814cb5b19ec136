"""TRL's trainer, which looks at whether its sampler is its model, and wastes less of a GPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import torch
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

from vlreward.training.sampling import SamplerGuard
from vlreward_trl.images import prepared_once
from vlreward_trl.rows import Aligned

__all__ = ["WatchingGRPOTrainer"]

_DIFFERENCE = "sampling/sampling_logp_difference"


class WatchingGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """`GRPOTrainer` that gives `guard` the sampler's difference of log-probabilities.

    Where the sampler says how probable its tokens were, as vLLM does, the reward functions get
    the column `logp_difference` too: the mean of each completion, in nats a token.

    The completions of a question stay together where that changes no sum, so that a pass has few
    different images.
    """

    guard: SamplerGuard | None = None
    """Looks at every batch; set before training."""
    scoring_batch_size: int = 0
    """Completions in a pass without gradients, where more than in one with them."""
    aligns: bool = False
    """Whether passes go without the padding of the whole batch, see `Aligned`."""
    prepares_once: bool = True
    """Whether an image of a batch is prepared once, see `prepared_once`."""
    _sampled: Any = None
    _scored: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with patch.object(grpo_trainer, "prepare_fsdp", _sharded, create=True):
            super().__init__(*args, **kwargs)

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        generated = super()._generate_single_turn(*args, **kwargs)
        self._sampled, self._scored = generated[1], None
        return generated

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("batch_size") and self.model.training:
            kwargs["batch_size"] = max(kwargs["batch_size"], self.scoring_batch_size)
        called = model
        if self.aligns and not kwargs.get("compute_aux_loss"):
            called = Aligned(model, self._tokenizer.pad_token_id)
        found = super()._get_per_token_logps_and_entropies(called, *args, **kwargs)
        if model is self.model and self._scored is None and not torch.is_grad_enabled():
            self._scored = found[0]
        return found

    def _calculate_rewards(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self._sampled is not None and self._scored is not None:
            found = [_mean(*pair) for pair in zip(self._sampled, self._scored.tolist())]
            inputs = [{**row, "logp_difference": mean} for row, mean in zip(inputs, found)]
        self._sampled = None
        return super()._calculate_rewards(inputs, *args, **kwargs)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        once = prepared_once(self.processing_class.image_processor)
        with once if self.prepares_once else nullcontext():
            output = super()._generate_and_score_completions(inputs)
        metrics = self._metrics["train" if self.model.training else "eval"]
        if self.guard is not None and (means := metrics.get(f"{_DIFFERENCE}/mean")):
            self.guard.look(means[-1], metrics[f"{_DIFFERENCE}/max"][-1])
        return output

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        args = self.args
        if not self.model.training or args.gradient_accumulation_steps % args.steps_per_generation:
            return super()._prepare_inputs(generation_batch)
        # All of these completions go into one sum, in whatever order.
        name = "shuffle_sequence_dict"
        with patch.object(grpo_trainer, name, self._shuffled_groups, create=True):
            return super()._prepare_inputs(generation_batch)

    def _shuffled_groups(self, batch: dict[str, Any]) -> dict[str, Any]:
        size = len(next(value for value in batch.values() if value is not None))
        group = math.gcd(size, self.num_generations)
        order = torch.randperm(size // group).repeat_interleave(group) * group
        order += torch.arange(group).repeat(size // group)

        def ordered(value: Any) -> Any:
            if value is None or (isinstance(value, torch.Tensor) and not value.ndim):
                return value
            if isinstance(value, torch.Tensor):
                return value[order.to(value.device)]
            return [value[index] for index in order]

        return {name: ordered(value) for name, value in batch.items()}


def _sharded(model: Any, accelerator: Any) -> Any:
    """The reference model, sharded layer by layer as the trained one is.

    TRL 1.16 shards it as one piece, all of which every process gathers for a pass and keeps: four
    bytes a parameter on each GPU, however many there are.
    """
    if accelerator.state.fsdp_plugin.fsdp_version != 2:
        from trl.models.utils import prepare_fsdp

        return prepare_fsdp(model, accelerator)
    from accelerate.utils.fsdp_utils import fsdp2_prepare_model

    return fsdp2_prepare_model(accelerator, model).eval()


def _mean(sampled: Sequence[float | None], scored: Sequence[float]) -> float | None:
    """Mean difference over the tokens of a completion that the sampler could score."""
    known = [abs(a - b) for a, b in zip(sampled, scored) if a is not None and not math.isnan(a)]
    return sum(known) / len(known) if known else None
