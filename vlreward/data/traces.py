"""Reads the traces of a training run: one JSON line for each completion, as
`vlreward.training.traces` writes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from vlreward._text import warn
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.rows import RawRow, RowFile

__all__ = ["alike", "is_trace", "read_trace", "trace_files"]

_ALIKE = 1e-6
_NAMED = 10


def trace_files(directory: Path) -> list[Path]:
    """The traces that lie in a directory, in the order of their processes."""
    return sorted(path for path in directory.glob("rank-*.jsonl") if is_trace(path))


def is_trace(path: Path) -> bool:
    """Whether a file has the name of the traces of a process."""
    return path.suffix == ".jsonl" and path.stem[:5] == "rank-" and path.stem[5:].isdecimal()


def read_trace(path: Path, say: Callable[[str], object] = warn) -> Iterator[RawRow]:
    """The lines of a file of traces; whoever reads one reads it by this.

    Lines that a kill has cut off are left out, wherever they stand: who goes on, or another
    process on a shared disk, appends behind them.

    Args:
        path: The file.
        say: Told at the end how many lines were left out, and which, if any were.

    Raises:
        DataError: If the file has lines, and none of a trace.
    """
    torn: list[RowProblem] = []
    found = False
    for raw in RowFile(path, growing=True, torn=torn):
        if isinstance(raw.value, dict) and "step" in raw.value:
            found = True
            yield raw
        else:
            torn.append(raw.problem("expected an object with 'step'"))
    if not found and any(problem.kind != "unfinished" for problem in torn):
        raise DataError(
            "expected traces in a file of this name, got other lines", path=path, problems=torn
        )
    if torn:
        named = ", ".join(str(problem.line) for problem in torn[:_NAMED])
        more = ", ..." if len(torn) > _NAMED else ""
        lines = "1 torn line: line" if len(torn) == 1 else f"{len(torn)} torn lines: lines"
        say(f"{path}: left out {lines} {named}{more}")


def alike(values: Collection[float]) -> bool:
    """Whether the completions of one question all earned the same: they teach nothing, since an
    advantage is relative to the group."""
    return max(values) - min(values) <= _ALIKE
