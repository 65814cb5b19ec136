"""The losses of TRL's `GRPOTrainer` as pure functions of arrays and tensors.

Names follow TRL: `loss_type`, `epsilon`, `epsilon_high`, `beta`, `scale_rewards`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
import paddle
from paddle import Tensor

from vlreward.training.arguments import option

__all__ = ["LOSS_TYPES", "Advantages", "LossOptions", "LossTerms", "group_advantages", "grpo_loss"]

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")
"""How token losses are averaged; see `grpo_loss`."""


@dataclass(frozen=True)
class Advantages:
    """What a batch of rewards says about each completion."""

    values: np.ndarray
    """Advantage of each completion (N,); 0 where there is no reward."""
    zero_std: np.ndarray
    """Whether all rewards of the completion's group are equal (N,)."""


def group_advantages(
    rewards: np.ndarray, num_generations: int, *, scale_rewards: str = "group"
) -> Advantages:
    """Advantages relative to the group: (r - mean) / (std + 1e-4), with the sample's deviation.

    Args:
        rewards: (N,), groups of `num_generations` one after the other; NaN for a completion that
            no reward applies to, which is left out of its group's mean.
        num_generations: Completions of a group, at least 2.
        scale_rewards: Divide by the deviation of the `group`, of the `batch`, or by `none`.

    Raises:
        ValueError: If the rewards are no whole number of groups, or an option is unknown.

    Source: Shao et al. 2024, DeepSeekMath, section 4.1; as TRL 1.16 computes it.
    """
    if num_generations < 2 or rewards.ndim != 1 or rewards.size % num_generations:
        raise ValueError(
            f"expected groups of at least 2 rewards, got shape {rewards.shape} for "
            f"num_generations={num_generations!r}"
        )
    if scale_rewards not in ("group", "batch", "none"):
        raise ValueError(f"expected scale_rewards group, batch or none, got {scale_rewards!r}")
    groups = rewards.astype(np.float64).reshape(-1, num_generations)
    known = ~np.isnan(groups)
    counts = known.sum(axis=1, keepdims=True)
    means = np.where(known, groups, 0).sum(axis=1, keepdims=True) / np.maximum(counts, 1)
    squares = np.where(known, (groups - means) ** 2, 0).sum(axis=1, keepdims=True)
    # A single reward has no deviation.
    deviations = np.sqrt(squares / np.maximum(counts - 1, 1))
    zero = np.broadcast_to(np.isclose(deviations, 0, atol=1e-8), groups.shape)
    if scale_rewards == "batch":
        there = groups[known]
        spread = float(there.std(ddof=1)) if there.size > 1 else 0.0
        deviations = np.full_like(deviations, spread)
        zero = np.full(groups.shape, bool(np.isclose(spread, 0, atol=1e-8)))
    values = groups - means
    if scale_rewards != "none":
        values = values / (deviations + 1e-4)
    return Advantages(np.where(known, values, 0).reshape(-1), zero.reshape(-1))


@dataclass
class LossOptions:
    """Options of the loss, named and preset as in TRL's GRPOConfig."""

    loss_type: str = option("dapo", "grpo, bnpo, dr_grpo or dapo.")
    epsilon: float = option(0.2, "Ratios below 1 - epsilon are clipped.")
    epsilon_high: Optional[float] = option(None, "Ratios above 1 + this; default epsilon.")  # noqa: UP045
    beta: float = option(0.0, "Weight of the KL term; 0 loads no reference model.")
    use_bias_correction_kl: bool = option(True, "Multiply the KL term by the ratio.")
    max_completion_length: int = option(256, "Longest completion in tokens.")

    def __post_init__(self) -> None:
        if self.loss_type not in LOSS_TYPES:
            raise ValueError(f"expected loss_type {', '.join(LOSS_TYPES)}, got {self.loss_type!r}")
        if self.epsilon < 0 or self.beta < 0:
            raise ValueError(
                f"expected epsilon and beta of at least 0, got {self.epsilon!r}, {self.beta!r}"
            )


@dataclass(frozen=True)
class LossTerms:
    """The loss of a micro-batch, and what of it is logged."""

    loss: Tensor
    """Scalar, with a gradient."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums over the tokens of the completions, by the name of the metric."""
    tokens: float = 0.0
    """Number of those tokens."""


def grpo_loss(
    logps: Tensor,
    old_logps: Tensor | None,
    ref_logps: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    options: LossOptions,
    *,
    num_items: float | None = None,
) -> LossTerms:
    """The clipped policy loss of a micro-batch.

    With the ratio q = exp(logps - old_logps) and the advantage A, a token's loss is
    -min(q A, clip(q, 1 - epsilon, 1 + epsilon_high) A), plus beta times the divergence
    exp(ref - logps) - (ref - logps) - 1, itself times q with `use_bias_correction_kl`. Tokens are
    averaged

    - `grpo`: over each completion, then over completions;
    - `bnpo`: over all tokens of the micro-batch;
    - `dr_grpo`: dividing by the number of completions times `max_completion_length`;
    - `dapo`: dividing by `num_items`, so that all tokens of an optimizer step weigh alike.

    Args:
        logps: Log-probabilities of the completion's tokens (B, C), with a gradient.
        old_logps: Those of the policy that sampled (B, C); None for `logps` themselves.
        ref_logps: Those of the reference model (B, C); None where beta is 0.
        advantages: (B,).
        mask: 1 for tokens of completions, 0 for padding (B, C).
        options: The loss.
        num_items: For `dapo`, tokens of the optimizer step for each micro-batch of it.

    Raises:
        ValueError: If something that the options need is missing.

    Source: TRL 1.16, `GRPOTrainer._compute_loss`; Yu et al. 2025 (DAPO), Liu et al. 2025 (Dr.
    GRPO), Schulman 2020 (the divergence's estimator).
    """
    mask = mask.astype("float32")
    advantages = advantages.astype("float32").unsqueeze(-1)
    ratio = paddle.exp(logps - (logps.detach() if old_logps is None else old_logps))
    low = 1 - options.epsilon
    high = 1 + (options.epsilon if options.epsilon_high is None else options.epsilon_high)
    losses = -paddle.minimum(ratio * advantages, ratio.clip(low, high) * advantages)
    divergence = None
    if options.beta:
        if ref_logps is None:
            raise ValueError(f"expected ref_logps for beta={options.beta!r}, got None")
        divergence = paddle.exp(ref_logps - logps) - (ref_logps - logps) - 1
        if options.use_bias_correction_kl:
            divergence = divergence * ratio
        losses = losses + options.beta * divergence
    loss = _average(losses, mask, options, num_items)
    with paddle.no_grad():
        clipped_low = ((ratio < low) & (advantages < 0)).astype("float32")
        clipped_high = ((ratio > high) & (advantages > 0)).astype("float32")
        sums = {
            "clip_ratio/low_mean": (clipped_low * mask).sum(),
            "clip_ratio/high_mean": (clipped_high * mask).sum(),
            "clip_ratio/region_mean": ((clipped_low + clipped_high) * mask).sum(),
        }
        if divergence is not None:
            sums["kl"] = (divergence * mask).sum()
        # Read together: each number that is read on its own waits for the device.
        *values, tokens = paddle.stack([*sums.values(), mask.sum()]).tolist()
    return LossTerms(loss, dict(zip(sums, values)), tokens)


def _average(losses: Tensor, mask: Tensor, options: LossOptions, num_items: float | None) -> Any:
    total = (losses * mask).sum()
    if options.loss_type == "grpo":
        return ((losses * mask).sum(-1) / mask.sum(-1).clip(min=1.0)).mean()
    if options.loss_type == "bnpo":
        return total / mask.sum().clip(min=1.0)
    if options.loss_type == "dr_grpo":
        return total / (losses.shape[0] * options.max_completion_length)
    if num_items is None:
        raise ValueError("expected num_items for loss_type 'dapo', got None")
    return total / max(num_items, 1.0)
