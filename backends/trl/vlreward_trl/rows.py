"""Passes over the texts of a batch, without the padding that it puts before and after them."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Aligned"]


class Aligned:
    """A model that reads the rows of a batch from their first token on.

    TRL pads prompts on the left and completions on the right, to the longest of everything that
    was sampled together. Here the rows of a pass begin at its first column and are as wide as the
    longest of them. Nothing needs to be masked then: what is right of a token is hidden from it in
    any case, and attention can take its fastest kernel, which has no masks. Results are the same
    but for rounding.
    """

    def __init__(self, model: Any, pad_token: int) -> None:
        """Wrap a model that TRL has given its fused head.

        Args:
            model: The model, which gives log-probabilities of `labels`; its positions must tell
                distances alone, as rotary ones do.
            pad_token: What fills a row, no token of an image.
        """
        self.model, self.pad_token = model, pad_token

    def __call__(
        self,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        **kwargs: Any,
    ) -> Any:
        """The model's output for the batch as it is given.

        Args:
            input_ids: (rows, length).
            attention_mask: As `input_ids`; the tokens of a row are in one piece.
            labels: As `input_ids`; -100 where none is asked for.
            kwargs: What else the model takes; what has the shape of `input_ids` is aligned too.

        Returns:
            The output, its `log_probs` and `entropy` of shape (rows, length - 1).
        """
        shape = input_ids.shape
        first = attention_mask.argmax(1, keepdim=True)
        sizes = attention_mask.sum(1, keepdim=True)
        width = max(int(sizes.max()), 2)
        here = torch.arange(width, device=input_ids.device)
        columns = (first + here).clamp(max=shape[1] - 1)
        beyond = here >= sizes

        def aligned(values: torch.Tensor, fill: int) -> torch.Tensor:
            return values.gather(1, columns).masked_fill(beyond, fill)

        rows = {
            name: aligned(value, 0)
            for name, value in kwargs.items()
            if isinstance(value, torch.Tensor) and value.shape == shape
        }
        output = self.model(
            input_ids=aligned(input_ids, self.pad_token),
            attention_mask=torch.ones_like(columns),
            labels=aligned(labels, -100),
            **{**kwargs, **rows},
        )
        # The score of a token stands one column before it.
        places = torch.arange(shape[1] - 1, device=input_ids.device) - first
        outside = (places < 0) | (places >= width - 1)
        places = places.clamp(0, width - 2)
        for name in ("log_probs", "entropy"):
            scores = getattr(output, name, None)
            if scores is not None:
                setattr(output, name, scores.gather(1, places).masked_fill(outside, 0))
        return output
