"""Suites of item counting."""

from __future__ import annotations

from vlreward.suite import Suite

__all__ = ["SUITES"]

_PROMPTS = {"r1": "r1-v", "baseline": "r1-v"}

SUITES = (
    Suite(
        name="superclevr_test200",
        task="counting",
        description="SuperCLEVR: count the items in 200 rendered images, 3 to 10 each",
        file="superclevr_test200_counting_problems.jsonl",
        n=200,
        prompts=_PROMPTS,
    ),
    Suite(
        name="scenes_count_test",
        task="counting",
        description="Synthetic scenes, test seeds, three levels: count the objects of a kind",
        file=None,
        n=300,
        prompts=_PROMPTS,
    ),
)
