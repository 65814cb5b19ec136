"""Where tokens stand: positions of images and text, and several completions in one sequence.

A prompt and all completions of it are one sequence: the completions follow one another, each has
the positions that it would have alone, and sees the prompt and itself. So a group's prompt, with
its image, is computed once, and no completion is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ImageTokens", "Packed", "image_positions", "pack"]


@dataclass(frozen=True)
class ImageTokens:
    """How a family counts positions of images."""

    image_id: int
    """Token of a merged patch."""
    merge: int
    """Patches along each side of one merged patch."""


def image_positions(ids: np.ndarray, grids: list[np.ndarray], family: ImageTokens) -> np.ndarray:
    """Temporal, vertical and horizontal positions (3, S) of one prompt.

    Text counts on by one on all axes. The merged patches of an image are at (frame, row, column),
    counted from where the text before it ended; the text behind it goes on after the largest.

    Args:
        ids: Token ids (S,), without padding.
        grids: Frames, rows and columns of patches (3,), the prompt's images in order; they are
            taken off the list.
        family: The image token, and the size of merged patches.

    Raises:
        ValueError: If image tokens and images do not match.

    Source: Wang et al. 2024, Qwen2-VL, section 2.1; transformers' `get_rope_index`.
    """
    found = np.empty((3, len(ids)), dtype=np.int64)
    images = np.flatnonzero(ids == family.image_id)
    at = then = taken = 0
    while taken < len(images):
        start = images[taken]
        if not grids:
            raise ValueError("expected an image for each run of image tokens, got fewer images")
        frames, rows, columns = (int(x) for x in grids.pop(0))
        shape = (frames, rows // family.merge, columns // family.merge)
        count = shape[0] * shape[1] * shape[2]
        if len(images) < taken + count or images[taken + count - 1] != start + count - 1:
            raise ValueError(f"expected {count} image tokens for an image, got others")
        found[:, at:start] = then + np.arange(start - at)
        then += start - at
        found[:, start : start + count] = then + np.indices(shape).reshape(3, -1)
        then += max(shape)
        at, taken = start + count, taken + count
    found[:, at:] = then + np.arange(len(ids) - at)
    return found


@dataclass(frozen=True)
class Packed:
    """Questions with their completions, a row each; shorter rows are padded behind."""

    ids: np.ndarray
    """Token ids (Q, S)."""
    positions: np.ndarray
    """(3, Q, S)."""
    until: np.ndarray | None
    """See `vlreward_paddle.modeling.attention.Visible`, (Q, S); None if nothing is ever hidden."""
    before: np.ndarray
    """For each token of the completions the place of the state that predicts it, in rows joined
    end to end (N,)."""


def pack(
    prompts: Sequence[np.ndarray],
    positions: Sequence[np.ndarray],
    completions: Sequence[np.ndarray],
    owners: Sequence[int],
) -> Packed:
    """Put each question and its completions into one row.

    Args:
        prompts: Token ids of each question (P,).
        positions: Their positions (3, P).
        completions: Token ids (C,).
        owners: The question of each completion, in ascending order.
    """
    lengths = [len(prompt) for prompt in prompts]
    starts = []
    for completion, owner in zip(completions, owners):
        starts.append(lengths[owner])
        lengths[owner] += len(completion)
    width = max(lengths)
    ids = np.zeros((len(prompts), width), dtype=np.int64)
    placed = np.zeros((3, len(prompts), width), dtype=np.int64)
    until = np.full((len(prompts), width), width, dtype=np.int32)
    for row, (prompt, where) in enumerate(zip(prompts, positions)):
        ids[row, : len(prompt)] = prompt
        placed[:, row, : len(prompt)] = where
    before = []
    for completion, owner, start in zip(completions, owners, starts):
        count, last = len(completion), len(prompts[owner]) - 1
        part = slice(start, start + count)
        ids[owner, part] = completion
        placed[:, owner, part] = positions[owner].max() + 1 + np.arange(count)
        until[owner, part] = start + count
        places = np.arange(start - 1, start + count - 1)
        places[:1] = last
        before.append(owner * width + places)
    alone = len(set(owners)) == len(owners)
    return Packed(ids, placed, None if alone else until, np.concatenate(before))
