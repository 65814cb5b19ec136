"""The vision tower of Qwen-VL models, without what a batch of GRPO makes it do again and again.

Completions of a question share its image, and transformers encodes it once for each of them. Its
attention, without the flash-attention package, is a loop in Python over images, or over windows of
images, which takes far longer than the arithmetic: most of a training step of a 3B model.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch

__all__ = ["ATTENTION", "distinct_images", "packed_attention", "speed_up"]

ATTENTION = "packed_flash"
"""Name of `packed_attention` among transformers' attention functions. Its layers hand over all
images at once where the name speaks of flash attention, and one by one elsewhere."""


def speed_up(model: Any) -> bool:
    """Let a Qwen-VL model encode equal images of a batch once, and all of them without a loop.

    Results are the same but for rounding; so are gradients, which sum over the completions.

    Args:
        model: The model, or a PEFT or distributed wrapper around it.

    Returns:
        Whether it has a vision tower that this fits; it is left alone otherwise.
    """
    for module in model.modules():
        if "visual" in module._modules and hasattr(type(module), "get_image_features"):
            module.get_image_features = MethodType(_once(type(module).get_image_features), module)
            if module.visual.config._attn_implementation == "sdpa":
                _register()
                module.visual.config._attn_implementation = ATTENTION
            return True
    return False


def _once(encode: Any) -> Any:
    """`get_image_features` that encodes each different image once."""

    def get_image_features(
        self: Any, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor, **kwargs: Any
    ) -> Any:
        kept, places = distinct_images(pixel_values, image_grid_thw)
        if len(kept) == len(places):
            return encode(self, pixel_values, image_grid_thw, **kwargs)
        patches = pixel_values.split(image_grid_thw.prod(-1).tolist())
        chosen = torch.cat([patches[index] for index in kept])
        found = encode(self, chosen, image_grid_thw[kept], **kwargs)
        merged = (image_grid_thw[kept].prod(-1) // self.visual.spatial_merge_size**2).tolist()
        for name in ("pooler_output", "deepstack_features"):
            value = getattr(found, name, None)
            if value is not None:
                setattr(found, name, _repeated(value, merged, places))
        return found

    return get_image_features


def _repeated(value: Any, sizes: Sequence[int], places: Sequence[int]) -> Any:
    """Features of images, as a tensor, one for each image, or one such thing for each layer."""
    if isinstance(value, torch.Tensor):
        parts = value.split(list(sizes))
        return torch.cat([parts[place] for place in places])
    if len(value) == len(sizes) and [len(part) for part in value] == list(sizes):
        return tuple(value[place] for place in places)
    return [_repeated(layer, sizes, places) for layer in value]


def distinct_images(pixel_values: torch.Tensor, grids: torch.Tensor) -> tuple[list[int], list[int]]:
    """Which images of a batch differ.

    Args:
        pixel_values: Patches of all images, one after the other.
        grids: Frames, rows and columns of patches of each image.

    Returns:
        The first image of each kind, and for every image the place of its kind in that list.
    """
    patches = pixel_values.split(grids.prod(-1).tolist())
    # One number an image is read back; what it finds alike is then compared in full.
    sums = torch.stack([part.sum(dtype=torch.float64) for part in patches]).tolist()
    kept: list[int] = []
    places: list[int] = []
    alike: dict[Any, list[int]] = {}
    for index, key in enumerate(zip(sums, map(tuple, grids.tolist()))):
        for place in alike.setdefault(key, []):
            if torch.equal(patches[kept[place]], patches[index]):
                places.append(place)
                break
        else:
            alike[key].append(len(kept))
            places.append(len(kept))
            kept.append(index)
    return kept, places


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each of many pieces of one sequence, in one call.

    Pieces become the rows of a batch, padded to the longest of them.

    Args:
        module: The layer.
        query: (1, heads, length, channels), as `key` and `value`.
        key: See `query`.
        value: See `query`.
        attention_mask: None.
        cu_seq_lens_q: Where pieces begin, and the length; None for one piece.
        max_length_q: Tokens of the longest piece.
        scaling: Factor of the products; None for 1/sqrt(channels).
        dropout: Share of weights dropped.
        kwargs: What other attention functions take.

    Returns:
        (1, length, heads, channels), and None for the weights.
    """
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return found
    starts = cu_seq_lens_q.long()
    sizes = starts.diff()
    longest = int(sizes.max()) if max_length_q is None else int(max_length_q)
    pieces, length = len(sizes), query.shape[2]
    rows = torch.arange(pieces, device=query.device).repeat_interleave(sizes, output_size=length)
    place = torch.arange(length, device=query.device) - starts[rows] + rows * longest
    full = pieces * longest == length

    def batched(states: torch.Tensor) -> torch.Tensor:
        states = states[0].transpose(0, 1)
        if not full:
            padded = states.new_zeros(pieces * longest, *states.shape[1:])
            states = padded.index_copy(0, place, states)
        return states.reshape(pieces, longest, *states.shape[1:]).transpose(1, 2)

    seen = torch.arange(longest, device=query.device) < sizes[:, None]
    output = torch.nn.functional.scaled_dot_product_attention(
        batched(query),
        batched(key),
        batched(value),
        attn_mask=None if full else seen[:, None, None, :],
        dropout_p=dropout,
        scale=scaling,
    )
    output = output.transpose(1, 2).flatten(0, 1)
    return (output if full else output[place])[None], None


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, packed_attention)
