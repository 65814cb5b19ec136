"""From questions to what the loss needs: completions, rewards, advantages, log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import paddle
from paddle import Tensor

from vlreward_paddle.logprobs import TokenLogProbs
from vlreward_paddle.parallel import Metrics, gather_rows
from vlreward_paddle.rollout import Prompt, different, join, pad_right

__all__ = ["Codec", "MicroBatch", "RewardFunction", "micro_batch", "score"]

_RESERVED = ("prompt", "completion", "completion_ids")
"""Columns that reward functions get otherwise, as in TRL."""
RewardFunction = Callable[..., "Sequence[float | None]"]
"""TRL's signature: keywords `prompts`, `completions`, `completion_ids`, each column of the rows as
a list, `trainer_state` and `log_metric`; one number, or None, for each completion."""


class Codec(Protocol):
    """Turns rows into prompts and tokens into text."""

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a completion."""
        ...

    @property
    def pad_id(self) -> int:
        """Id of padding."""
        ...

    def encode(self, row: dict[str, Any]) -> Prompt:
        """The tokens and the image of a row."""
        ...

    def decode(self, tokens: list[int]) -> str:
        """The text of a completion, without special tokens."""
        ...


@dataclass
class MicroBatch:
    """Completions of one forward and backward pass."""

    inputs: dict[str, Tensor]
    """The prompts with their images, as the model takes them."""
    asked: TokenLogProbs
    """The completions (B, C)."""
    mask: Tensor
    """1 for tokens that are in the loss (B, C)."""
    advantages: Tensor
    """(B,)."""
    old_logps: Tensor | None = None
    """Log-probabilities of the policy that sampled (B, C); None if it is still the same."""
    ref_logps: Tensor | None = None
    """Log-probabilities of the reference model (B, C)."""


def micro_batch(
    prompts: Sequence[Prompt],
    completions: Sequence[list[int]],
    advantages: np.ndarray,
    pad_id: int,
    *,
    temperature: float,
    banned_ids: tuple[int, ...],
    chunk_size: int,
    keep: Sequence[bool],
    share_prompts: bool = False,
) -> MicroBatch:
    """Put completions and their prompts together, one for each; see `TokenLogProbs`.

    Args:
        keep: Whether a completion is in the loss.
        share_prompts: Hand on a prompt that comes several times in a row once.
    """
    owners = None
    if share_prompts:
        prompts, owners = different(prompts)
    ids, mask = pad_right(completions, pad_id)
    kept = mask * np.array(keep, dtype=np.int64)[:, None]
    asked = TokenLogProbs(
        paddle.to_tensor(ids),
        temperature,
        banned_ids,
        chunk_size,
        mask=paddle.to_tensor(mask),
        owners=None if owners is None else tuple(owners),
    )
    return MicroBatch(
        join(prompts, pad_id),
        asked,
        paddle.to_tensor(kept),
        paddle.to_tensor(advantages.astype(np.float32)),
    )


def score(
    functions: Sequence[RewardFunction],
    weights: Sequence[float],
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    tokens: Sequence[list[int]],
    state: Any,
    metrics: Metrics,
) -> np.ndarray:
    """Call the reward functions, as TRL does, and gather what they say.

    Args:
        functions: The reward functions.
        weights: One for each.
        rows: The row of each completion of this process; `texts` and `tokens` are theirs.
        state: The trainer's state.
        metrics: Where means are noted.

    Returns:
        Weighted sums for all processes' completions (N,), by rank; NaN where no function has
        anything to say.

    Raises:
        ValueError: If a function returns another number of rewards, or one that is not finite.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in _RESERVED}
    messages = [[{"role": "assistant", "content": text}] for text in texts]
    found = np.full((len(rows), len(functions)), np.nan)
    for i, function in enumerate(functions):
        values = function(
            prompts=[row["prompt"] for row in rows],
            completions=messages,
            completion_ids=tokens,
            trainer_state=state,
            log_metric=metrics.add,
            **columns,
        )
        if len(values) != len(rows):
            raise ValueError(
                f"expected {len(rows)} rewards from {name_of(function)!r}, got {len(values)}"
            )
        for j, value in enumerate(values):
            if value is not None:
                if not np.isfinite(value):
                    raise ValueError(
                        f"expected finite rewards from {name_of(function)!r}, got {value!r}"
                    )
                found[j, i] = value
    found = gather_rows(found)
    known = ~np.isnan(found)
    totals: np.ndarray = (np.where(known, found, 0) * np.asarray(weights)).sum(axis=1)
    totals[~known.any(axis=1)] = np.nan
    for i, function in enumerate(functions):
        column = found[known[:, i], i]
        if column.size:
            metrics.same(f"rewards/{name_of(function)}/mean", float(column.mean()))
            if column.size > 1:
                metrics.same(f"rewards/{name_of(function)}/std", float(column.std(ddof=1)))
    return totals


def name_of(function: RewardFunction) -> str:
    """The name that logs show."""
    return str(getattr(function, "__name__", type(function).__name__))
