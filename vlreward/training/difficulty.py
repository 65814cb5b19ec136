"""Leaving out questions that taught nothing: all completions of an earlier run earned the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlreward.data import DataError, Dataset
from vlreward.errors import OptionError

__all__ = ["informative"]


def informative(samples: Dataset, run: str) -> Dataset:
    """The samples without those whose completions all earned the same in the traces of a run.

    An advantage is relative to the group: a group without spread has no gradient. Too easy and too
    hard questions are left out alike; those that the run did not ask are kept.

    Args:
        samples: The samples.
        run: Directory of a run, or of its traces.

    Raises:
        OptionError: If there are no traces.
        DataError: If nothing is left.
    """
    asked, taught = _questions(Path(run))
    kept = [
        index
        for index, sample in enumerate(samples)
        if sample.id in taught or sample.id not in asked
    ]
    if not kept:
        raise DataError(
            f"--informative_in {run}: expected questions that taught something, got none among "
            f"{len(samples)}",
            path=samples.provenance.path,
        )
    return samples.select(kept, f"without {len(samples) - len(kept)} that taught nothing")


def _questions(run: Path) -> tuple[set[str], set[str]]:
    """Ids of the questions that were asked, and of those whose completions earned differently."""
    files = sorted((*run.glob("rank-*.jsonl"), *run.glob("traces/rank-*.jsonl")))
    if not files:
        raise OptionError(f"--informative_in: expected traces in {run}, found no rank-*.jsonl")
    asked: set[str] = set()
    taught: set[str] = set()
    earned: dict[tuple[Any, str], float] = {}
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    key, value = (row["step"], str(row["id"])), float(row["value"])
                except (ValueError, KeyError, TypeError):  # cut off by a kill
                    continue
                if row.get("mode") == "eval":
                    continue
                asked.add(key[1])
                if abs(earned.setdefault(key, value) - value) > 1e-6:
                    taught.add(key[1])
    return asked, taught
