"""The options of this backend's own."""

from __future__ import annotations

from dataclasses import dataclass

from vlreward.training.arguments import Arguments, option

__all__ = ["OwnOptions", "TRLArguments"]


@dataclass
class OwnOptions:
    """Options that only this trainer has."""

    resample_groups: int = option(
        0,
        "Rounds in which groups whose completions all earned the same are replaced by those of "
        "other questions; each costs as much as sampling a batch.",
    )
    max_logp_difference: float = option(
        0.1,
        "With vLLM, stop where log-probabilities of sampled tokens differ from the model's by more "
        "than this in the mean of two batches in a row, in nats; 0 for never.",
    )
    fast_vision: bool = option(
        True,
        "Encode an image once in a pass, however many completions see it, all images at once, and "
        "texts without the padding before them; the same but for rounding.",
    )
    scoring_batch_size: int = option(
        0,
        "Completions in a pass that only scores them, which keeps nothing for gradients; 0 for "
        "four times --per_device_train_batch_size.",
    )


@dataclass
class TRLArguments(OwnOptions, Arguments):
    """The options of all backends, and those."""
