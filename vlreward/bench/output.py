"""Writes what a run found, all or nothing, where no other run is that must not be lost unasked."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.run_files import RESULTS_FILE, Results, samples_file
from vlreward.errors import OptionError
from vlreward.files import replacing

__all__ = ["TOLD_APART_BY", "make_room", "refuse_another_run", "versions", "write_results"]

_VERSIONED = ("vlreward", "numpy", "shapely", "math-verify", "sympy", "torch", "transformers")
TOLD_APART_BY = ("file_sha256", "model", "rescored_from")
"""What tells a run of a suite from another, of an `Evaluation.provenance`; a control has it of what
it controls."""


def refuse_another_run(out: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """See that a run would not replace another; nothing is written or removed.

    A run may replace itself, and its own suite under other rules or with more samples: what was
    scored is the same.

    Args:
        out: Directory of the run; need not exist.
        entries: What the run is about: suite, hash of the completions, model.

    Raises:
        OptionError: If `out` holds another run.
    """
    if others := _of_another(out, entries)[0]:
        raise OptionError(
            f"{str(out)!r} holds another run ({', '.join(others[:5])}): write to another directory "
            "by --out, or replace it by --overwrite"
        )


def make_room(out: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Remove the samples of another run, if `out` holds one; see `refuse_another_run`."""
    others, found = _of_another(out, entries)
    for name in found if others else ():
        (out / samples_file(name)).unlink(missing_ok=True)


def _of_another(
    out: Path, entries: Sequence[Mapping[str, Any]]
) -> tuple[list[str], Collection[str]]:
    """The suites of another run in `out`, and all that it holds."""
    try:
        content = (out / RESULTS_FILE).read_bytes()
    except FileNotFoundError:
        return [], ()
    try:
        found: dict[str, Any] = json.loads(content)["results"]
        before = {name: _identity(entry) for name, entry in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found, before = {}, {RESULTS_FILE: (None,)}
    mine = {_identity(entry) for entry in entries}
    return [name for name, identity in before.items() if identity not in mine], found


def _identity(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(key) for key in ("suite", *TOLD_APART_BY))


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
    summary = directory / RESULTS_FILE
    targets = []
    with ExitStack() as stack:  # left in reverse order: the summary takes its place last
        summary_file = stack.enter_context(replacing(summary))
        for evaluation in evaluations:
            target = directory / samples_file(evaluation.name)
            file = stack.enter_context(replacing(target))
            for row in evaluation.sample_rows():
                file.write(_json(row.model_dump()) + "\n")
            targets.append(target)
        results = Results(
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions=versions(),
            results={e.name: e.summary(directory) for e in evaluations},
        )
        summary_file.write(_json(results.model_dump(by_alias=True), indent=2) + "\n")
    return [summary, *targets]


def _json(value: Any, **layout: Any) -> str:
    # Not pydantic's own JSON: it refuses lone surrogates, which models do write.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, **layout)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that scores depend on."""
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
