"""What the tests with the trainers themselves share.

Each trainer has an environment of its own (`nox -s verl`, `swift`, `openrlhf`, `verifiers`, `trl`);
elsewhere its tests are skipped, and say so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

THINK = "<think>There it is.</think>"


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """Skip where a distribution is not installed; its version where it is."""

    def check(distribution: str) -> str:
        try:
            return version(distribution)
        except PackageNotFoundError:
            pytest.skip(f"{distribution} is not installed here; it has a nox session of its own")

    return check


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    """Completions of all three tasks with their gold envelopes, and the score each must get."""
    rec = {"task": "rec", "box": [0, 0, 10, 10]}
    return [
        {
            "completion": THINK + '<answer>{"bbox_2d": [0, 0, 10, 20]}</answer>',
            "gold": envelope(rec, frame="original_px", image_size=[64, 48]),
            "score": 1.5,
        },
        {
            "completion": THINK + "<answer>[0, 0, 500, 1000]</answer>",
            "gold": envelope(
                {"task": "rec", "box": [0, 0, 32, 24]}, frame="norm1000", image_size=[64, 48]
            ),
            "score": 1.5,
        },
        {
            "completion": THINK + "<answer>4</answer>",
            "gold": envelope({"task": "counting", "count": 4}),
            "score": 2.0,
        },
        {
            "completion": THINK + r"<answer>$\\frac{1}{2}$</answer>".replace("\\\\", "\\"),
            "gold": envelope({"task": "geometry", "expression": "0.5"}),
            "score": 2.0,
        },
        {
            "completion": "no answer at all",
            "gold": envelope({"task": "geometry", "expression": "145°"}),
            "score": 0.0,
        },
    ]


def envelope(gold: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"vlreward": 1, "gold": gold, **fields})
