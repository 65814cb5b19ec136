"""Scores a finished run again under other rules, without inference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation, evaluate
from vlreward.bench.naming import samples_file
from vlreward.bench.recorded import read_recorded
from vlreward.data.errors import DataError
from vlreward.frames import Frame
from vlreward.prompts import get_prompt
from vlreward.suite import SUITES
from vlreward.task import TaskSpec
from vlreward.tasks import get_task

__all__ = ["rescore"]

_KEPT = ("file", "file_sha256", "data_sha256", "ids_sha256", "model", "engine", "sampling")


def rescore(
    run: Path,
    *,
    protocol: str | None = None,
    method: str | None = None,
    frame: Frame | None = None,
) -> list[Evaluation]:
    """Read a run directory and score its samples again.

    Args:
        run: Directory with `results.json` and `samples_*.jsonl`.
        protocol: Whose rules; None for those of the run.
        method: `r1` or `baseline`; None for that of the run.
        frame: Frame of predicted boxes; None for that of the run.

    Raises:
        DataError: If the directory is no run, or a suite is not known.
        UnknownNameError: If a task has no such protocol or method.
    """
    results = run / "results.json"
    if not results.is_file():
        raise DataError("expected a run directory with results.json", path=run)
    try:
        entries: dict[str, Any] = json.loads(results.read_bytes())["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"expected results of a run, got {error!r}", path=results) from None
    return [
        _rescored(run, name, entry, protocol, method, frame)
        for name, entry in entries.items()
        if "control" not in entry
    ]


def _rescored(
    run: Path,
    name: str,
    entry: dict[str, Any],
    protocol: str | None,
    method: str | None,
    frame: Frame | None,
) -> Evaluation:
    suite_name = entry.get("suite", name)
    suite = SUITES.get(suite_name) if suite_name in SUITES else None
    if suite is None:
        raise DataError(f"the suite of {name!r} is not known", path=run / "results.json")
    spec: TaskSpec = get_task(
        suite.task,
        protocol=protocol or entry["protocol"],
        method=method or entry["method"],  # type: ignore[arg-type]
    )
    file = read_recorded(run / samples_file(name), suite.task, frame=frame)
    before = {key: entry[key] for key in _KEPT if key in entry}
    return evaluate(
        suite,
        spec,
        [row.sample for row in file.rows],
        [row.completion for row in file.rows],
        prompt=get_prompt(entry["prompt"]),
        name=name,
        frame=file.frame,
        frame_declared_by="option" if frame else entry.get("frame_declared_by"),
        provenance={**before, "rescored_from": run.name},
    )
