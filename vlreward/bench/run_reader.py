"""Reads the files of a run: `results.json` and `samples_<suite>.jsonl`, checked row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from vlreward._text import first_problem
from vlreward.bench.run_files import RESULTS_FILE, RESULTS_SCHEMA, Results, SampleRow
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.rows import RowFile, read_json

__all__ = ["read_results", "read_samples"]


def read_results(run: Path) -> Results:
    """The summary of a run directory.

    Raises:
        DataError: If the directory is no run, or the summary is broken or of another schema.
    """
    path = run / RESULTS_FILE
    if not run.is_dir():
        raise DataError("expected a run directory, got no directory", path=run)
    if not path.is_file():
        found = ", ".join(sorted(p.name for p in run.iterdir())[:10]) or "nothing"
        raise DataError(
            f"expected a directory with {RESULTS_FILE}, which `vlreward-bench` or `vlreward "
            f"rescore` wrote, found {found}",
            path=run,
        )
    data = read_json(path)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != RESULTS_SCHEMA:
        raise DataError(
            f"expected schema {RESULTS_SCHEMA!r}, got {schema!r}: update vlreward, or run again",
            path=path,
        )
    try:
        return Results.model_validate(data)
    except ValidationError as error:
        raise DataError(first_problem(error), path=path) from None


def read_samples(
    path: Path, check: Callable[[SampleRow], None], *, growing: bool = False
) -> list[SampleRow]:
    """The rows of a sample file, in order.

    Args:
        check: Raises ValueError for a row that does not belong there.
        growing: Whether rows are still being written to it: it may have none, and half a last one.

    Raises:
        DataError: If the file is no JSON Lines, or rows are wrong or have an id twice: the first
            ten and their number.
    """
    rows: dict[tuple[str, int | None], SampleRow] = {}
    problems: list[RowProblem] = []
    for raw in RowFile(path, growing):
        try:
            row = SampleRow.model_validate(raw.value)
            check(row)
            if (row.id, row.attempt) in rows:
                raise ValueError(f"expected ids that differ, got {row.label!r} again")
            rows[row.id, row.attempt] = row
        except ValidationError as error:
            problems.append(raw.problem(first_problem(error)))
        except ValueError as error:
            problems.append(raw.problem(str(error)))
    if problems:
        raise DataError(
            f"expected rows as `vlreward-bench` writes them, got {len(problems)} others",
            path=path,
            problems=problems,
        )
    return list(rows.values())
