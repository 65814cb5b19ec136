"""A run that is not finished, as others may read it: what it asks, and what is scored so far.

`unfinished_<suite>.json` says how the numbers are made, `unfinished_<suite>.jsonl` has the rows
of `samples_<suite>.jsonl` in the order in which they became known. Both go when the results are
written; a run that was stopped leaves them.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from vlreward.bench.evaluate import Evaluation, image_fields, sample_row
from vlreward.bench.mixed import Prompts, rules_of
from vlreward.bench.run_files import SampleRow, SuiteResult, plain_name
from vlreward.bench.run_reader import read_samples
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.data.rows import read_json
from vlreward.files import replacing
from vlreward.frames import BOXES, Frame
from vlreward.suite import Suite, get_suite
from vlreward.task import TaskSpec
from vlreward.tasks import get_task
from vlreward.types import Completion, FailureCode, ParseFailure, Sample, Score
from vlreward.verify import Verdict

__all__ = ["Unfinished", "UnfinishedRun", "clear", "read_unfinished"]

_SCHEMA = "vlreward.unfinished/1"
_PATIENCE = 1.0
"""Seconds that a row may wait before it is written."""


class Unfinished:
    """Writes what is known of a suite while it runs; what an earlier try left is replaced.

    Args:
        out: The run directory; made if need be.
        wanted: Number of rows of the finished run.
        several: Whether questions have several answers.
        made: How the numbers are made: arguments of `Evaluation` by name.
    """

    def __init__(
        self,
        out: Path,
        suite: Suite,
        spec: TaskSpec,
        wanted: int,
        several: bool,
        made: dict[str, Any],
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._several = several
        self._path = out / f"unfinished_{plain_name(made['name'])}.jsonl"
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._last = time.monotonic()
        header = {
            "schema": _SCHEMA,
            "wanted": wanted,
            "suite": suite.name,
            "protocol": spec.protocol,
            "method": spec.method,
            "prompt": made["prompts"].usual.name,
            "prompts": {task: own.name for task, own in made["prompts"].own.items()},
            "frame": made["frame"] and made["frame"].value,
            **image_fields(made["images"], out),
            **{key: made[key] for key in ("name", "frame_declared_by", "provenance")},
        }
        with replacing(self._path.with_suffix(".json"), sync=False) as file:
            json.dump(header, file)

    def add(self, sample: Sample, completion: Completion, score: Score, attempt: int) -> None:
        """Write a row; others see it a second later at most, if more come."""
        if self._file.closed:
            return
        row = sample_row(sample, completion, score, attempt if self._several else None)
        line = row.model_dump(exclude_defaults=True)
        if isinstance(score.judged, Verdict):
            line["verdict"] = asdict(score.judged)
        self._file.write(json.dumps(line) + "\n")
        now = time.monotonic()
        if now - self._last > _PATIENCE:
            self._last = now
            self._file.flush()

    def close(self) -> None:
        """Write what waits."""
        self._file.close()


class UnfinishedRun(NamedTuple):
    """What is known of one suite of a run that is not finished."""

    result: SuiteResult
    """The numbers so far; `wanted` says of how many."""
    rows: list[SampleRow]
    """What is scored so far."""


def clear(out: Path, suites: Collection[str]) -> None:
    """Take away what suites left while they ran, also in parts, now that results are written."""
    for header in out.glob("unfinished_*.json"):
        with contextlib.suppress(DataError, KeyError, TypeError):  # not ours to remove then
            if read_json(header)["suite"] in suites:
                header.with_suffix(".jsonl").unlink(missing_ok=True)
                header.unlink(missing_ok=True)


def read_unfinished(
    run: Path, check: Callable[[SampleRow, Mapping[str, str]], None]
) -> dict[str, UnfinishedRun]:
    """The suites of a run directory that are not finished, by name; those without rows left out.

    Args:
        check: Raises ValueError for a row that does not belong there; told the primary metric of
            each task of the suite too.

    Raises:
        DataError: If a file is broken; names it and the line.
    """
    found = {}
    for path in sorted(run.glob("unfinished_*.json")):
        header = read_json(path)
        if not isinstance(header, dict) or header.get("schema") != _SCHEMA:
            raise DataError(f"expected schema {_SCHEMA!r}: update vlreward", path=path)
        try:
            one = _read(run, header, path.with_suffix(".jsonl"), check)
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"cannot be read: {error}", path=path) from None
        if one is not None:
            found[header["name"]] = one
    return found


def _read(
    run: Path,
    header: dict[str, Any],
    path: Path,
    check: Callable[[SampleRow, Mapping[str, str]], None],
) -> UnfinishedRun | None:
    """What a header says of the rows in `path`; None while there are none."""
    suite, root = get_suite(header["suite"]), header["image_root"]
    spec = get_task(suite.task, protocol=header["protocol"], method=header["method"])
    primary = {task: rules.primary for task, rules in rules_of(suite, spec).items()}
    if not path.exists():
        return None
    rows = read_samples(path, lambda row: check(row, primary), growing=True)
    if not rows:
        return None
    evaluation = Evaluation(
        suite,
        spec,
        [row.sample for row in rows],
        [row.reply() for row in rows],
        scores=[_score(row) for row in rows],
        attempts=[row.attempt or 0 for row in rows],
        prompts=Prompts.named(header["prompt"], header.get("prompts", {})),
        name=header["name"],
        frame=header["frame"] and Frame(header["frame"]),
        frame_declared_by=header["frame_declared_by"],
        provenance=header["provenance"],
        notes=[f"not finished: {len(rows)} of {header['wanted']} so far"],
        images=None if root is None else ImageFolder(run / root, header["flat_images"]),
    )
    # Where rows are of several tasks, the evaluation gives all of them one primary metric.
    joined = zip(rows, evaluation.scores)
    rows = [row.model_copy(update={"metrics": score.metrics}) for row, score in joined]
    result = evaluation.summary(run).model_copy(update={"wanted": header["wanted"]})
    return UnfinishedRun(result, rows)


def _score(row: SampleRow) -> Score:
    """The score that `Unfinished.add` wrote."""
    failure = None
    if row.failure is not None:
        code = FailureCode(row.failure.code)
        failure = ParseFailure(code, detail=row.failure.detail, span=row.failure.span)
    return Score(
        value=row.value,
        terms=row.terms,
        metrics=row.metrics,
        failure=failure,
        answer=row.raw_answer if row.axes is None else BOXES[row.axes](*row.raw_answer),
        judged=row.verdict or row.answer,  # in the gold's terms
        span=row.span,
    )
