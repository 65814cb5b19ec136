"""The options of this backend's own."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlreward.training.arguments import Arguments

__all__ = ["OwnOptions", "TRLArguments"]


@dataclass
class OwnOptions:
    """Options that only this trainer has."""

    resample_groups: int = field(
        default=0,
        metadata={
            "help": "Rounds in which groups whose completions all earned the same are replaced by "
            "those of other questions; each costs as much as sampling a batch."
        },
    )


@dataclass
class TRLArguments(OwnOptions, Arguments):
    """The options of all backends, and those."""
