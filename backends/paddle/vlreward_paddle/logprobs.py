"""Log-probabilities of completion tokens, without ever holding all logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from vlreward_paddle.parallel import unwrap

__all__ = ["TokenLogProbs", "chunked_logprobs", "completion_logprobs", "logprobs_of_logits"]


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
    mask: Tensor | None = None
    """1 for tokens, 0 for padding behind them (B, C), which has log-probability 0; None if there
    is none."""
    owners: tuple[int, ...] | None = None
    """The prompt of each completion, in ascending order; None if each has one of its own."""


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
        mask = _ban_mask(asked, scaled.shape[-1])
        if mask is not None:
            scaled = scaled + mask
        total = paddle.logsumexp(scaled, axis=-1)
        chosen = paddle.take_along_axis(scaled, ids.unsqueeze(-1), axis=-1).squeeze(-1)
        with paddle.no_grad():
            shares = paddle.exp(scaled - total.unsqueeze(-1))
            entropy = total - (shares * scaled).sum(axis=-1)
        found = chosen - total
        if mask is not None:
            found = paddle.where(mask[ids] != 0, paddle.zeros_like(found), found)
        return found, entropy


_NEVER = -1e9


def _ban_mask(asked: TokenLogProbs, vocabulary: int) -> Tensor | None:
    """What is added to logits (V,), None if nothing is banned."""
    if not asked.banned_ids:
        return None
    mask = paddle.zeros([vocabulary], dtype="float32")
    mask[list(asked.banned_ids)] = _NEVER
    return mask


class _Chunked(PyLayer):  # type: ignore[misc]
    """Log-probabilities chunk by chunk, forwards and backwards.

    Written out rather than recomputed by `recompute`, so that the head's weight receives its
    gradient once: wrappers for data parallelism count gradients.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, asked: TokenLogProbs) -> Any:
        ctx.save_for_backward(hidden, weight)
        ctx.ids, ctx.asked = ids, asked
        found = [
            logprobs_of_logits(_logits(hidden[part], weight), ids[part], asked)
            for part in _parts(hidden, asked)
        ]
        entropy = paddle.concat([e for _, e in found])
        ctx.mark_non_differentiable(entropy)
        return paddle.concat([logps for logps, _ in found]), entropy

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _entropy: Any) -> Any:
        hidden, weight = ctx.saved_tensor()
        asked: TokenLogProbs = ctx.asked
        ids = ctx.ids
        mask = _ban_mask(asked, weight.shape[0])
        to_hidden = []
        to_weight = None if weight.stop_gradient else paddle.zeros(weight.shape, dtype="float32")
        for part in _parts(hidden, asked):
            scaled = _logits(hidden[part], weight).astype("float32") / asked.temperature
            if mask is not None:
                scaled = scaled + mask
            # d log p(id) / d logits = (one at id - p) / temperature
            slope = F.one_hot(ids[part], weight.shape[0]) - F.softmax(scaled, axis=-1)
            scale = upstream[part].astype("float32") / asked.temperature
            if mask is not None:
                scale = paddle.where(mask[ids[part]] != 0, paddle.zeros_like(scale), scale)
            slope = slope * scale.unsqueeze(-1)
            cast = slope.astype(weight.dtype)
            to_hidden.append(paddle.matmul(cast, weight).astype(hidden.dtype))
            if to_weight is not None:
                to_weight += paddle.matmul(
                    cast, hidden[part].astype(weight.dtype), transpose_x=True
                ).astype("float32")
        gradient = None if to_weight is None else to_weight.astype(weight.dtype)
        return paddle.concat(to_hidden), gradient


def _logits(hidden: Tensor, weight: Tensor) -> Tensor:
    return paddle.matmul(hidden.astype(weight.dtype), weight, transpose_y=True)


def _parts(hidden: Tensor, asked: TokenLogProbs) -> list[slice]:
    return [
        slice(start, start + asked.chunk_size)
        for start in range(0, hidden.shape[0], asked.chunk_size)
    ]


def chunked_logprobs(
    weight: Tensor, states: Tensor, ids: Tensor, asked: TokenLogProbs
) -> tuple[Tensor, Tensor]:
    """Log-probabilities from hidden states, a chunk of tokens at a time.

    A chunk's logits are dropped after use and computed again in the backward pass, so memory is
    that of one chunk by the vocabulary, whatever the batch.

    Args:
        weight: The language model's head (V, H).
        states: States that predict the tokens (N, H).
        ids: The tokens (N,).
        asked: Temperature, banned ids and chunk size.

    Returns:
        Log-probabilities and entropies, both (N,).
    """
    with paddle.amp.auto_cast(False):
        logps, entropies = _Chunked.apply(states, weight, ids, asked)
    return logps, entropies.detach()


def completion_logprobs(
    model: Any, inputs: dict[str, Tensor], asked: TokenLogProbs
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of completions under any model.

    Args:
        model: A model, wrapped for data parallelism or not.
        inputs: The prompts, as `vlreward_paddle.rollout.join` makes them.
        asked: The completions.

    Returns:
        Log-probabilities and entropies, both (B, C).
    """
    if getattr(unwrap(model), "shares_prompts", False):
        found: tuple[Tensor, Tensor] = model(**inputs, logprobs=asked)
        return found
    mask = paddle.ones_like(asked.ids) if asked.mask is None else asked.mask
    ends = {"input_ids": asked.ids, "attention_mask": mask}
    outputs = model(
        **{
            name: paddle.concat([value, ends[name]], axis=1) if name in ends else value
            for name, value in inputs.items()
        }
    )
    logits = outputs[0] if isinstance(outputs, tuple) else getattr(outputs, "logits", outputs)
    count = asked.ids.shape[1]
    states = logits[:, -count - 1 : -1]
    logps, entropies = logprobs_of_logits(
        states.reshape([-1, states.shape[-1]]), asked.ids.reshape([-1]), asked
    )
    return logps.reshape(asked.ids.shape), entropies.detach().reshape(asked.ids.shape)
