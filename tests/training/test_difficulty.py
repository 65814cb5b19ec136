"""Leaving out questions that taught nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlreward.data import DataError
from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments
from vlreward.training.difficulty import informative
from vlreward.training.samples import load_samples


def _traces(directory: Path, rows: list[dict[str, Any]]) -> Path:
    """Traces of two processes, which share groups; one was killed."""
    directory.mkdir(parents=True)
    for rank in (0, 1):
        text = "".join(json.dumps(row) + "\n" for row in rows[rank::2])
        (directory / f"rank-{rank:05d}.jsonl").write_text(text + '{"step": 3, "i')
    return directory


def test_easy_and_hard_questions_go_and_unseen_ones_stay(scenes_data: Path, tmp_path: Path) -> None:
    file = str(scenes_data / "counting.jsonl")
    samples = load_samples(file, "counting", Arguments(data=file))
    easy, hard, good, _ = [sample.id for sample in samples]
    rows = [{"step": 1, "id": easy, "value": 2.0}] * 4 + [{"step": 1, "id": hard, "value": 0}] * 4
    rows += [{"step": 2, "id": good, "value": v} for v in (1.0, 2.0)]
    # Another time all the same; and an evaluation, which has no groups.
    rows += [{"step": 9, "id": good, "value": 2.0}] * 2
    rows += [{"step": 1, "id": easy, "value": 0.0, "mode": "eval"}] * 2
    _traces(tmp_path / "run/traces", rows)
    for where in (tmp_path / "run", tmp_path / "run/traces"):
        left = informative(samples, str(where))
        assert [sample.id for sample in left] == [sample.id for sample in samples][2:]
        assert "without 2 that taught nothing" in left.name


def test_without_traces_or_rows_there_is_an_error(scenes_data: Path, tmp_path: Path) -> None:
    file = str(scenes_data / "counting.jsonl")
    samples = load_samples(file, "counting", Arguments(data=file))
    with pytest.raises(OptionError, match=r"expected traces in .*, found no rank-"):
        informative(samples, str(tmp_path))
    every = [{"step": 0, "id": sample.id, "value": 1} for sample in samples for _ in range(2)]
    _traces(tmp_path / "traces", every)
    with pytest.raises(DataError, match="taught something, got none among 4"):
        informative(samples, str(tmp_path))
