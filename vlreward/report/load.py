"""Read run directories: `results.json` and `samples_<suite>.jsonl`, checked row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean

from vlreward.bench.run_files import RESULTS_FILE, SampleRow, SuiteResult, samples_file
from vlreward.bench.run_reader import read_results, read_samples
from vlreward.bench.unfinished import read_unfinished
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.report.categories import category_keys
from vlreward.report.drawing import answer_shapes, gold_shapes

__all__ = ["Run", "SuiteRun", "is_run", "load_runs"]


@dataclass
class SuiteRun:
    """What a run found of one suite."""

    name: str
    """Name, e.g. `refcoco_val`."""
    result: SuiteResult
    """Aggregate numbers and how they were made."""
    samples: list[SampleRow] | None
    """Rows in file order, None if the run directory has no sample file for the suite."""
    images: ImageFolder | None = None
    """Where the run found the images, if the summary says."""

    @property
    def base(self) -> str:
        """What the samples are of: the suite and its blind control, whatever the subset."""
        result = self.result
        return " ".join(filter(None, (result.suite or self.name.partition("[")[0], result.control)))

    @cached_property
    def categories(self) -> list[str]:
        """The metadata by which the samples fall into groups."""
        return category_keys(self.samples or [])

    def rows(self) -> list[SampleRow]:
        """The samples.

        Raises:
            DataError: If the run directory has no sample file for the suite.
        """
        if self.samples is None:
            raise DataError(f"expected {samples_file(self.name)} in the run directory, found none")
        return self.samples

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
    suites: dict[str, SuiteRun] = field(default_factory=dict)
    """Suites by name, in file order."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know that is no error."""


def is_run(path: Path) -> bool:
    """Whether a directory holds a benchmark run, finished or not."""
    return (path / RESULTS_FILE).is_file() or any(path.glob("unfinished_*.json"))


def load_runs(run_dirs: Sequence[Path]) -> list[Run]:
    """Read the run directories of a report.

    Args:
        run_dirs: At least one; each holds `results.json` and `samples_<suite>.jsonl`.

    Raises:
        DataError: If there is no directory, one is given twice, or a file is missing, broken or of
            another schema.
    """
    if not run_dirs:
        raise DataError("expected at least one run directory, got none")
    resolved = [path.resolve() for path in run_dirs]
    for path, given in zip(resolved, run_dirs):
        if resolved.count(path) > 1:
            raise DataError(f"expected different run directories, got {str(given)!r} twice")
    return [_load_run(path, name) for path, name in zip(run_dirs, _names(resolved))]


def _names(paths: list[Path]) -> list[str]:
    """The last parts of each path, as many as it takes to tell them apart."""
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different parts")


def _load_run(path: Path, name: str) -> Run:
    unfinished = read_unfinished(path, _check_row) if path.is_dir() else {}
    run = Run(name=name, path=path, created=None, versions={})
    if (path / RESULTS_FILE).is_file() or not unfinished:
        data = read_results(path)
        run.created, run.versions = data.created, data.versions
        for suite_name, result in data.results.items():
            run.suites[suite_name] = _load_suite(run, suite_name, result)
    for suite_name, (result, rows) in unfinished.items():
        said = f"{run.name}: {suite_name!r} is not finished: {result.n} of {result.wanted} so far"
        if suite_name in run.suites:
            said += "; shown is what it came to before"
        else:
            run.suites[suite_name] = SuiteRun(suite_name, result, rows, _images(run, result))
        run.notes.append(said)
    return run


def _images(run: Run, result: SuiteResult) -> ImageFolder | None:
    if result.image_root is None:
        return None
    return ImageFolder(run.path / result.image_root, result.flat_images)


def _load_suite(run: Run, name: str, result: SuiteResult) -> SuiteRun:
    suite = SuiteRun(name, result, None, _images(run, result))
    path = run.path / samples_file(name)
    if not path.is_file():
        run.notes.append(
            f"{run.name}: {path.name} is missing, so the samples and plots of {name!r} are not "
            "shown; run again to have it"
        )
        return suite
    primary = dict.fromkeys(result.by_task or (result.task,), result.primary)
    suite.samples = read_samples(path, lambda row: _check_row(row, primary))
    _cross_check(run, suite, path)
    return suite


def _check_row(row: SampleRow, primary: Mapping[str, str]) -> None:
    """Refuse a row that is none of the suite with these tasks, or of which nothing can be shown.

    Args:
        primary: By task, the metric that each of its rows has.

    Raises:
        ValueError: Says what is wrong with it.
    """
    if row.task not in primary:
        expected = " or ".join(map(repr, primary))
        raise ValueError(f"expected task {expected} as the suite has, got {row.task!r}")
    if primary[row.task] not in row.metrics:
        raise ValueError(
            f"expected the primary metric {primary[row.task]!r} in metrics, got "
            f"{sorted(row.metrics)}"
        )
    gold_shapes(row)  # both for their errors alone
    answer_shapes(row)
    for span in (row.span, row.failure.span if row.failure else None):
        if span is not None and not span[0] <= span[1] <= len(row.completion):
            raise ValueError(
                f"expected a span within the {len(row.completion)} characters of the completion, "
                f"got {list(span)}"
            )


def _cross_check(run: Run, suite: SuiteRun, path: Path) -> None:
    """Note where the sample file and results.json contradict each other."""
    rows, result = suite.samples or [], suite.result
    if len(rows) != result.n:
        run.notes.append(
            f"{run.name}: results.json says n={result.n} for {suite.name!r}, but {path.name} has "
            f"{len(rows)} rows: the plots and samples are not those of the summary"
        )
        return
    mean = fmean(row.metrics[result.primary] for row in rows)
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
