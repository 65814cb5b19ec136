"""Read run directories: `results.json` and `samples_<suite>.jsonl`, checked row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward.bench.naming import samples_file
from vlreward.report.errors import ReportError
from vlreward.report.jsonfile import parse_json, raise_rows, read_lines, read_text
from vlreward.report.records import SampleRow, SuiteResult, explain

__all__ = ["SCHEMA", "Run", "Suite", "load_runs"]

SCHEMA = "vlreward.results/1"
"""The schema of `results.json` that this version reads."""


@dataclass(slots=True)
class Suite:
    """One suite of a run."""

    name: str
    """Name, e.g. `refcoco_val`."""
    result: SuiteResult
    """Aggregate numbers and how they were made."""
    samples: list[SampleRow] | None
    """Rows in file order, None if the run directory has no sample file for the suite."""

    def right(self, row: SampleRow) -> bool:
        """Whether the primary metric of a row is 1."""
        return row.metrics[self.result.primary] >= 1


@dataclass(slots=True)
class Run:
    """One run directory."""

    name: str
    """Name of the directory, made unique among the runs of the report."""
    path: Path
    """The directory."""
    created: str | None
    """When `results.json` was written, as it says."""
    versions: dict[str, str]
    """Versions of the software that wrote it."""
    suites: dict[str, Suite] = field(default_factory=dict)
    """Suites by name, in file order."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know that is no error."""


def load_runs(run_dirs: Sequence[Path]) -> list[Run]:
    """Read the run directories of a report.

    Args:
        run_dirs: At least one; each holds `results.json` and `samples_<suite>.jsonl`.

    Raises:
        ReportError: If there is no directory, one is given twice, or a file is missing, broken
            or of another schema.
    """
    if not run_dirs:
        raise ReportError("expected at least one run directory, got none")
    resolved = [path.resolve() for path in run_dirs]
    for path, given in zip(resolved, run_dirs):
        if resolved.count(path) > 1:
            raise ReportError(f"expected different run directories, got {str(given)!r} twice")
    return [_load_run(path, name) for path, name in zip(run_dirs, _names(resolved))]


def _names(paths: list[Path]) -> list[str]:
    """The last parts of each path, as many as it takes to tell them apart."""
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different parts")


def _load_run(path: Path, name: str) -> Run:
    results = path / "results.json"
    if not path.is_dir():
        raise ReportError(f"expected a run directory, got {str(path)!r}, which is no directory")
    if not results.is_file():
        found = ", ".join(sorted(p.name for p in path.iterdir())[:10]) or "nothing"
        raise ReportError(
            f"expected results.json in {path}, found {found}: give the directory that "
            "`vlreward-bench` or `vlreward rescore` wrote"
        )
    try:
        data = parse_json(read_text(results))
    except ReportError:
        raise
    except ValueError as error:
        raise ReportError(f"broken JSON in {results}: {error}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise ReportError(
            f"expected schema {SCHEMA!r} in {results}, got {schema!r}: write it again with "
            "`vlreward rescore RUN` of this version, or update vlreward"
        )
    suites = data.get("results")
    if not isinstance(suites, dict) or not suites:
        raise ReportError(f"expected at least one suite under 'results' in {results}, got none")
    versions = data.get("versions")
    run = Run(
        name=name,
        path=path,
        created=str(data["created"]) if data.get("created") is not None else None,
        versions={str(k): str(v) for k, v in versions.items()}
        if isinstance(versions, dict)
        else {},
    )
    for suite_name, result in suites.items():
        run.suites[suite_name] = _load_suite(run, suite_name, result, results)
    return run


def _load_suite(run: Run, name: str, raw: Any, results: Path) -> Suite:
    if not name.isprintable() or Path(name).name != name or "\\" in name:
        raise ReportError(
            f"expected the name of a suite, as in samples_NAME.jsonl, in {results}, got {name!r}"
        )
    try:
        result = SuiteResult.model_validate(raw)
    except ValueError as error:
        raise ReportError(f"suite {name!r} in {results}: {explain(error)}") from error
    suite = Suite(name, result, None)
    path = run.path / samples_file(name)
    if not path.is_file():
        run.notes.append(
            f"{run.name}: {path.name} is missing, so the samples and plots of {name!r} are not "
            "shown; write it with `vlreward rescore RUN`"
        )
        return suite
    suite.samples = _load_samples(path, suite)
    _cross_check(run, suite, path)
    return suite


def _load_samples(path: Path, suite: Suite) -> list[SampleRow]:
    rows: list[SampleRow] = []
    lines: dict[str, int] = {}
    broken: list[str] = []
    for number, raw in read_lines(path):
        try:
            row = SampleRow.model_validate(raw)
            _check_row(row, suite)
            if row.id in lines:
                raise ValueError(f"expected ids once, got {row.id!r} again (line {lines[row.id]})")
        except ValueError as error:
            broken.append(f"{path}:{number}: {explain(error)}")
            continue
        lines[row.id] = number
        rows.append(row)
    raise_rows(broken, path)
    return rows


def _check_row(row: SampleRow, suite: Suite) -> None:
    if row.task != suite.result.task:
        raise ValueError(
            f"expected task {suite.result.task!r} as in results.json, got {row.task!r}"
        )
    if suite.result.primary not in row.metrics:
        raise ValueError(
            f"expected the primary metric {suite.result.primary!r} in metrics, got "
            f"{sorted(row.metrics)}"
        )
    row.gold_box()
    row.answer_box()
    for span in (row.span, row.failure.span if row.failure else None):
        if span is not None and not span[0] <= span[1] <= len(row.completion):
            raise ValueError(
                f"expected a span within the {len(row.completion)} characters of the completion, "
                f"got {list(span)}"
            )


def _cross_check(run: Run, suite: Suite, path: Path) -> None:
    """Note where the sample file and results.json contradict each other."""
    rows, result = suite.samples or [], suite.result
    if len(rows) != result.n:
        run.notes.append(
            f"{run.name}: results.json says n={result.n} for {suite.name!r}, but {path.name} has "
            f"{len(rows)} rows: the plots and samples are not those of the summary"
        )
        return
    mean = math.fsum(row.metrics[result.primary] for row in rows) / len(rows)
    if abs(mean - result.acc) > 1e-6:
        run.notes.append(
            f"{run.name}: results.json says {result.acc:.4f} for {suite.name!r}, but the mean of "
            f"{result.primary!r} over {path.name} is {mean:.4f}"
        )
    partial = sum(row.metrics[result.primary] not in (0, 1) for row in rows)
    if partial:
        run.notes.append(
            f"{run.name}: {result.primary!r} of {suite.name!r} is neither 0 nor 1 for {partial} "
            "samples; the samples view calls them wrong"
        )
