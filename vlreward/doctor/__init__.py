"""What is wrong with a run's rewards: read from a trace or from any supported result file."""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.doctor.checks import *
    from vlreward.doctor.observations import *

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {"checks": "Finding diagnose", "observations": "Observation read_observations"},
)
