"""Log-probabilities of completion tokens, without ever holding all logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor
from paddle.distributed.fleet.utils import recompute

__all__ = ["TokenLogProbs", "chunked_logprobs", "logprobs_of_logits"]


@dataclass(frozen=True)
class TokenLogProbs:
    """Which log-probabilities are asked for."""

    ids: Tensor
    """Token ids of the completions (B, C)."""
    temperature: float = 1.0
    """Divides the logits, as it did in sampling."""
    banned_ids: tuple[int, ...] = ()
    """Ids that cannot be sampled; the distribution is over all others."""
    chunk_size: int = 512
    """Tokens whose logits are held at a time."""


def logprobs_of_logits(logits: Tensor, ids: Tensor, asked: TokenLogProbs) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies of tokens.

    Args:
        logits: (N, V).
        ids: Token ids (N,).
        asked: Temperature and banned ids.

    Returns:
        log p(id) and the entropy of the distribution in nats, both (N,) in float32. A banned id
        has log-probability 0, without a gradient: it is padding, or the prompt's.
    """
    with paddle.amp.auto_cast(False):
        scaled = logits.astype("float32") / asked.temperature
        banned = paddle.zeros_like(ids, dtype="bool")
        if asked.banned_ids:
            mask = paddle.zeros([scaled.shape[-1]], dtype="float32")
            mask[list(asked.banned_ids)] = _NEVER
            scaled = scaled + mask
            banned = mask[ids] != 0
        total = paddle.logsumexp(scaled, axis=-1)
        chosen = paddle.take_along_axis(scaled, ids.unsqueeze(-1), axis=-1).squeeze(-1)
        with paddle.no_grad():
            shares = paddle.exp(scaled - total.unsqueeze(-1))
            entropy = total - (shares * scaled).sum(axis=-1)
        found = chosen - total
        return paddle.where(banned, paddle.zeros_like(found), found), entropy


_NEVER = -1e9


def chunked_logprobs(
    head: Callable[[Tensor], Tensor], hidden: Tensor, asked: TokenLogProbs
) -> tuple[Tensor, Tensor]:
    """Log-probabilities from hidden states, a chunk of tokens at a time.

    A chunk's logits are dropped after use and computed again in the backward pass, so memory is
    that of one chunk by the vocabulary, whatever the batch.

    Args:
        head: The language model's head, (N, H) to (N, V).
        hidden: States that predict the tokens (B, C, H).
        asked: The tokens (B, C), temperature, banned ids and chunk size.

    Returns:
        Log-probabilities and entropies, both (B, C).
    """
    flat = hidden.reshape([-1, hidden.shape[-1]])
    ids = asked.ids.reshape([-1])

    def one(states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return logprobs_of_logits(head(states), tokens, asked)

    logps: list[Any] = []
    entropies: list[Any] = []
    for start in range(0, flat.shape[0], asked.chunk_size):
        part = slice(start, start + asked.chunk_size)
        if paddle.is_grad_enabled() and not flat.stop_gradient:
            found = recompute(one, flat[part], ids[part], preserve_rng_state=False)
        else:
            found = one(flat[part], ids[part])
        logps.append(found[0])
        entropies.append(found[1].detach())
    shape = asked.ids.shape
    return paddle.concat(logps).reshape(shape), paddle.concat(entropies).reshape(shape)
