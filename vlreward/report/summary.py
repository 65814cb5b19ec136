"""The numbers of the page's tables, in the order in which they are shown."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vlreward.report.load import Run, SuiteRun
from vlreward.report.plots import figures
from vlreward.report.svg import Figure
from vlreward.report.text import percent, shown
from vlreward.suite import Reference

__all__ = ["Line", "plots", "scale", "summary"]

_WARNING = "WARNING: "
_HOW = (
    "model", "task", "task_version", "primary", "protocol", "method", "prompt", "prompt_hash",
    "frame", "frame_declared_by", "file", "file_sha256", "data_sha256",
)  # fmt: skip
_ELSEWHERE = {
    "suite", "acc", "acc_ci", "acc_ci_method", "acc_ci_clustered", "n", "parse_rate", "failures",
    "metrics", "metrics_n", "reward", "terms", "notes", "by_task", "image_root", "flat_images",
    "references", "attempts", "wanted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One suite of one run in the summary."""

    run: Run
    """The run."""
    run_number: int
    """Its place among the runs."""
    suite: SuiteRun
    """The suite."""

    @property
    def metrics(self) -> list[tuple[str, str, int | None]]:
        """The other metrics: name, mean, and the number of samples where not all have it."""
        result = self.suite.result
        counts = {name: result.metrics_n.get(name, result.n) for name in result.metrics}
        several = [
            (f"{what}@{k}", f"{percent(share)}{_between(ends.get(k))}", None)
            for what, shares, ends in (
                ("pass", result.attempts.pass_at, result.attempts.pass_at_ci),
                ("maj", result.attempts.majority_at, result.attempts.majority_at_ci),
            )
            for k, share in shares.items()
        ] if result.attempts else []  # fmt: skip
        return several + [
            (name, f"{value:.4g}", counts[name] if counts[name] < result.n else None)
            for name, value in result.metrics.items()
            if name != result.primary and counts[name]
        ]

    @property
    def published(self) -> list[Reference]:
        """The published numbers that the file states in full."""
        found = []
        for given in self.suite.result.references:
            with contextlib.suppress(ValidationError):  # of another version: under "details"
                found.append(Reference.model_validate(given))
        return found

    @property
    def warnings(self) -> list[str]:
        """The notes of the run that put the number in doubt."""
        notes = self.suite.result.notes
        return [note.removeprefix(_WARNING) for note in notes if note.startswith(_WARNING)]

    @property
    def remarks(self) -> list[str]:
        """The other notes of the run."""
        return [note for note in self.suite.result.notes if not note.startswith(_WARNING)]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """How the number was made, as far as `results.json` says: name and value of each fact."""
        data: dict[str, Any] = self.suite.result.model_dump()
        data["task"] = ", ".join(data["by_task"] or [data["task"]])
        facts = [(name, _stated(data.get(name))) for name in _HOW]
        rest = sorted(data.keys() - set(_HOW) - _ELSEWHERE)
        facts += [(k, shown(data[k])) for k in rest if data[k] or type(data[k]) is int]
        versions = ", ".join(f"{name} {version}" for name, version in self.run.versions.items())
        return [
            *facts,
            ("interval", _stated(self.suite.result.acc_ci_method)),
            ("written", _stated(self.run.created)),
            ("versions", versions or "not stated"),
        ]


def _between(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f" ({percent(ends[0])} – {percent(ends[1])})"


def _stated(value: Any) -> str:
    return "not stated" if value is None else shown(value)


def summary(runs: Sequence[Run]) -> list[Line]:
    """The lines of the summary by run, runs and suites in the order given."""
    return [Line(run, i, suite) for i, run in enumerate(runs) for suite in run.suites.values()]


def plots(lines: Mapping[str, Sequence[Line]]) -> dict[str, list[tuple[Run, list[Figure]]]]:
    """The figures by suite and run; what has no samples is left out."""
    made = {}
    for name, of_suite in lines.items():
        peers = [line.suite for line in of_suite]
        drawn = [(line.run, figures(line.suite, peers)) for line in of_suite]
        made[name] = [(run, found) for run, found in drawn if found]
    return {name: drawn for name, drawn in made.items() if drawn}


def scale(share: float) -> str:
    """Place of a share on a line of 100, for SVG."""
    return f"{min(max(share, 0.0), 1.0) * 100:.1f}"
