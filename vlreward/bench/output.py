"""Writes what a run found: `results.json` and `samples_<suite>.jsonl`, all or nothing."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlreward._files import replacing
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.naming import samples_file

__all__ = ["RESULTS_SCHEMA", "results_document", "versions", "write_results"]

RESULTS_SCHEMA = "vlreward.results/1"
"""Format of `results.json`; changes when a reader would have to."""

_VERSIONED = ("vlreward", "numpy", "shapely", "math-verify", "sympy", "torch", "transformers")


def results_document(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """The contents of `results.json`."""
    return {
        "schema": RESULTS_SCHEMA,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "results": {evaluation.name: evaluation.summary() for evaluation in evaluations},
    }


def write_results(evaluations: Sequence[Evaluation], directory: Path) -> list[Path]:
    """Write all files of a run into a directory, which is made if need be.

    Every file is written beside its place first; only when all are complete are they renamed, so
    that an error or a kill leaves nothing half-written.

    Returns:
        The paths written, `results.json` first.

    Raises:
        OSError: If the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    summary = directory / "results.json"
    targets = []
    with ExitStack() as stack:  # left in reverse order: the summary takes its place last
        summary_file = stack.enter_context(replacing(summary))
        for evaluation in evaluations:
            target = directory / samples_file(evaluation.name)
            file = stack.enter_context(replacing(target))
            for row in evaluation.sample_rows():
                file.write(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n")
            targets.append(target)
        document = results_document(evaluations)
        json.dump(document, summary_file, ensure_ascii=False, allow_nan=False, indent=2)
        summary_file.write("\n")
    return [summary, *targets]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that scores depend on."""
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
