"""Suites of problems with a symbolic answer."""

from __future__ import annotations

from vlreward.suite import Suite

__all__ = ["SUITES"]

_PROMPTS = {"r1": "r1-v", "baseline": "r1-v"}

SUITES = (
    Suite(
        name="geoqa_test",
        task="geometry",
        description="GeoQA test: 754 plane-geometry questions with drawn figures",
        file="geoqa_test_prompts.jsonl",
        n=754,
        prompts=_PROMPTS,
    ),
    Suite(
        name="geo170k_test",
        task="geometry",
        description="Geo170K test questions, as rows of image_path, question, ground_truth",
        file="geo170k_test.jsonl",
        n=None,
        prompts=_PROMPTS,
    ),
    Suite(
        name="scenes_geometry_test",
        task="geometry",
        description="Synthetic scenes, test seeds, three levels: compute a quantity of a drawn "
        "figure",
        file=None,
        n=300,
        prompts=_PROMPTS,
    ),
)
