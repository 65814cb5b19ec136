"""The comparison of two runs, against a count by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.report.load import load_runs
from vlreward.report.pairs import compare_runs


def _rows(right: dict[str, bool]) -> list[dict[str, Any]]:
    return [
        make_row("counting", name, 3, "<answer>3</answer>", 3 if good else 4)
        for name, good in right.items()
    ]


def test_counts(tmp_path: Path) -> None:
    a = {"fixed": False, "fixed2": False, "broken": True, "both": True, "neither": False, "x": True}
    b = {"fixed": True, "fixed2": True, "broken": False, "both": True, "neither": False, "y": True}
    runs = [
        write_run(tmp_path / name, {"val": _rows(right), name: _rows(right)}, protocol=protocol)
        for name, right, protocol in (("a", a, "strict"), ("b", b, "vlm-r1"))
    ]
    (pair,) = compare_runs(load_runs(runs))
    assert (pair.suite, pair.a, pair.b) == ("val", "a", "b")
    assert (pair.n, pair.fixed, pair.broken, pair.both, pair.neither) == (5, 2, 1, 1, 1)
    assert pair.unpaired == 2
    assert pair.difference == 0.2
    assert pair.low <= 0.2 <= pair.high
    assert pair.p == 1.0  # three discordant samples, two against one: min(1, 2 * 4 / 8)
    assert pair.notes == ["protocol differs: strict and vlm-r1"]


def test_fractions_are_compared_by_their_means(tmp_path: Path) -> None:
    """The difference was that of shares of perfect samples: 0 where none is perfect."""
    runs = []
    for name, value in (("a", 0.4), ("b", 0.6)):
        rows = _rows({f"s{i}": False for i in range(9)})
        for row in rows:
            row["metrics"]["exact"] = value
        runs.append(write_run(tmp_path / name, {"val": rows}))
    (pair,) = compare_runs(load_runs(runs))
    assert (pair.fixed, pair.broken) == (0, 0)
    assert pair.difference == pytest.approx(0.2)
    assert pair.low == pytest.approx(0.2)


def test_other_golds_are_noted(tmp_path: Path) -> None:
    rows = _rows({"s": True, "t": True})
    other = [row | {"gold": {"task": "counting", "count": 9}} for row in rows]
    runs = [write_run(tmp_path / n, {"val": r}) for n, r in (("a", rows), ("b", other))]
    (pair,) = compare_runs(load_runs(runs))
    assert pair.notes == ["the golds of 2 samples differ: not the same data"]


def test_nothing_in_common(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / n, {"val": _rows({n: True})}) for n in ("a", "b")]
    assert compare_runs(load_runs(runs)) == []
