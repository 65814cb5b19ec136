"""Causal attention of the language model, and what each token may see.

There are two ways. `eager` is written out in dense operations, which is what CPUs do fastest:
Paddle's strided transposes and its broadcasts over heads cost them ten to fifty times a dense
operation. `sdpa` and `flashmask` hand over to Paddle's kernels for GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional as F
from paddle.nn.functional import flash_attention

__all__ = ["ROOM", "Cache", "Turn", "Visible", "attend", "hidden_scores", "longer"]

ROOM = 64
"""Tokens by which a cache grows."""


@dataclass(frozen=True)
class Turn:
    """Rotary positions of a pass."""

    cos: Tensor
    """(B, H or 1, S, D); the heads' axis is spread where broadcasting is slow."""
    sin: Tensor
    """The same, its first half negated: x turns to x * cos + swap(x) * sin."""


@dataclass(frozen=True)
class Visible:
    """Which tokens each token sees: of those before it, and itself, the ones not yet hidden."""

    until: Tensor | None = None
    """The row from which on each column is hidden, int32 (B, S); None if none ever is. That is
    the causal form of flashmask's row indices. A padding token is seen by itself alone, so that
    no row is empty."""
    mask: Tensor | None = None
    """For single tokens after a cache: what is added to their scores (B, H or 1, 1, T), with the
    room behind them."""

    def rows(self) -> Tensor | None:
        """flashmask's row indices (B, 1, S, 1)."""
        return None if self.until is None else self.until.unsqueeze(1).unsqueeze(-1)

    def added(self, length: int, dtype: Any) -> Tensor:
        """What is added to scores, (B or 1, 1, S, S): 0, or the type's least number."""
        row = paddle.arange(length, dtype="int32").unsqueeze(-1)
        seen = (row >= row.transpose([1, 0])).unsqueeze(0)
        if self.until is not None:
            seen = seen & (row.unsqueeze(0) < self.until.unsqueeze(1))
        return hidden_scores(seen.unsqueeze(1), dtype)


def hidden_scores(seen: Tensor, dtype: Any) -> Tensor:
    """0 where `seen`, and the type's least number elsewhere."""
    least = paddle.full([], paddle.finfo(dtype).min, dtype=dtype)
    return paddle.where(seen, paddle.zeros([], dtype=dtype), least)


class Cache:
    """Keys and values of one layer, of the tokens so far and room for some more.

    Growing by a token would copy everything at each one.

    Args:
        axis: The axis of tokens.
    """

    def __init__(self, axis: int) -> None:
        self.axis = axis
        self.length = 0
        """Tokens so far."""
        self.held: tuple[Tensor, Tensor] | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new tokens; returns all, with the room behind them."""
        count = keys.shape[self.axis]
        if self.held is None:
            self.held = keys, values
        else:
            if self.length == self.held[0].shape[self.axis]:
                self.held = longer(self.held[0], self.axis), longer(self.held[1], self.axis)
            place = (slice(None),) * self.axis + (slice(self.length, self.length + count),)
            self.held[0][place] = keys
            self.held[1][place] = values
        self.length += count
        return self.held

    def spread(self, rows: Tensor) -> None:
        """Take row `rows[i]` (B,) as the i-th."""
        assert self.held is not None
        keys, values = (paddle.index_select(held, rows) for held in self.held)
        self.held = keys, values


def longer(held: Tensor, axis: int, value: float = 0.0) -> Tensor:
    """A tensor with `ROOM` more places of a value behind those that it has."""
    shape = held.shape
    shape[axis] = ROOM
    return paddle.concat([held, paddle.full(shape, value, dtype=held.dtype)], axis=axis)


def attend(layer: Any, x: Tensor, turn: Turn, visible: Any, cache: Cache | None) -> Tensor:
    """Attention with its projections.

    Args:
        layer: paddleformers' attention, for its parameters and sizes.
        x: States (B, S, W).
        turn: Rotary positions.
        visible: A `Visible`, or for `eager` what is added to the scores; None for nothing.
        cache: Where there is one, the tokens before `x`; those of `x` are added.

    Returns:
        (B, S, W).
    """
    mix = layer.qkv_proj(x)
    way = _dense if layer.config._attn_implementation == "eager" else _kernel
    return layer.o_proj(way(layer, mix, turn, visible, cache))


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    swapped = paddle.concat([x[..., half:], x[..., :half]], axis=-1)
    return x * cos + swapped * sin


def _dense(
    layer: Any, mix: Tensor, turn: Turn, added: Tensor | None, cache: Cache | None
) -> Tensor:
    """Scores, softmax and sums as products of dense matrices (B, H, S, D)."""
    rows, length, _ = mix.shape
    groups, queries, width = layer.num_key_value_heads, layer.num_key_value_groups, layer.head_dim
    heads = groups * queries
    if length == 1:
        parts = mix.reshape([rows, groups, queries + 2, width])
        q, k, v = parts[:, :, :queries], parts[:, :, queries:-1], parts[:, :, -1:]
        q = q.reshape([rows, heads, 1, width])
    else:
        q, k, v = _Split.apply(mix, groups, queries, width)
    few = slice(None, groups if turn.cos.shape[1] > 1 else None)
    q = _turned(q, turn.cos, turn.sin) * layer.scaling
    k = _turned(k, turn.cos[:, few], turn.sin[:, few])
    if cache is not None:
        k, v = cache.extend(k, v)
    # The queries of a group are rows of one product, so that no key is copied for them.
    scores = paddle.matmul(q.reshape([rows, groups, queries * length, width]), k, transpose_y=True)
    scores = scores.reshape([rows, heads, length, -1])
    if added is not None:
        scores = scores + added
    shares = F.softmax(scores.astype("float32"), axis=-1).astype(v.dtype)
    shares = shares.reshape([rows, groups, queries * length, -1])
    found = paddle.matmul(shares, v).reshape([rows, heads, length, width])
    return found.reshape([rows, 1, -1]) if length == 1 else _Merge.apply(found)


def _kernel(layer: Any, mix: Tensor, turn: Turn, visible: Visible, cache: Cache | None) -> Tensor:
    """Paddle's own attention, on (B, S, H, D)."""
    rows, length, _ = mix.shape
    groups, queries, width = layer.num_key_value_heads, layer.num_key_value_groups, layer.head_dim
    parts = mix.reshape([rows, length, groups, (queries + 2) * width])
    q, k, v = paddle.split(parts, [queries * width, width, width], axis=-1)
    cos, sin = (x.transpose([0, 2, 1, 3]) for x in (turn.cos, turn.sin))
    q = _turned(q.reshape([rows, length, groups * queries, width]), cos, sin)
    k = _turned(k, cos, sin)
    if cache is not None:
        k, v = cache.extend(k, v)
    if length > 1 and layer.config._attn_implementation == "flashmask":
        found = flash_attention.flashmask_attention(
            q, k, v, startend_row_indices=visible.rows(), causal=True
        )
    else:
        mask, causal = visible.mask, length > 1 and visible.until is None
        if length > 1 and not causal:
            mask = visible.added(length, q.dtype)
        found = F.scaled_dot_product_attention(
            q, k, v, mask, 0.0, is_causal=causal, training=False, enable_gqa=True
        )
    return found.reshape([rows, length, -1])


@contextmanager
def _dense_transposes() -> Iterator[None]:
    """Transposes that write dense tensors, which for CPUs are fifty times as fast as strided
    views made contiguous later. The gradient's code cannot run so, hence the PyLayers."""
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    try:
        yield
    finally:
        paddle.set_flags({"FLAGS_use_stride_kernel": True})


class _Split(PyLayer):  # type: ignore[misc]
    """The fused projection (B, S, G * (R + 2) * D) to queries (B, G * R, S, D), keys and values
    (B, G, S, D)."""

    @staticmethod
    def forward(ctx: Any, mix: Tensor, groups: int, queries: int, width: int) -> Any:
        rows, length, _ = mix.shape
        ctx.queries = queries
        ends = [queries * width, (queries + 1) * width]
        with _dense_transposes():
            parts = mix.reshape([rows, length, groups, -1])
            q = parts[..., : ends[0]].reshape([rows, length, groups * queries, width])
            return tuple(
                x.transpose([0, 2, 1, 3])
                for x in (q, parts[..., ends[0] : ends[1]], parts[..., ends[1] :])
            )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        rows, heads, length, width = upstream[0].shape
        groups = heads // ctx.queries
        q, k, v = (x.contiguous() for x in upstream)
        with _dense_transposes():
            q = q.transpose([0, 2, 1, 3]).reshape([rows, length, groups, ctx.queries * width])
            k, v = (x.transpose([0, 2, 1, 3]) for x in (k, v))
            return paddle.concat([q, k, v], axis=-1).reshape([rows, length, -1])


class _Merge(PyLayer):  # type: ignore[misc]
    """(B, H, S, D) to (B, S, H * D)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows, ctx.heads, length, _ = x.shape
        with _dense_transposes():
            return x.transpose([0, 2, 1, 3]).reshape([rows, length, -1])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        rows, length, _ = upstream.shape
        upstream = upstream.contiguous()
        with _dense_transposes():
            return upstream.reshape([rows, length, ctx.heads, -1]).transpose([0, 2, 1, 3])
