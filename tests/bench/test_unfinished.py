"""A run that is going on, or was stopped, is read by all that read runs, and they say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.runs import write_rows
from vlreward.bench import unfinished
from vlreward.bench.cli import app
from vlreward.bench.run_files import SampleRow
from vlreward.bench.unfinished import read_unfinished
from vlreward.cli import app as vlreward
from vlreward.data.errors import DataError
from vlreward.engines.base import ENGINES, Engine, Generation, Outcome, Request
from vlreward.report.load import load_runs

ROWS = 12


class Stopping(Engine):
    """Answers right, every third time wrong; calls `at[n]` before its n-th answer."""

    name = "stopping"
    at: dict[int, Callable[[], None]]

    def describe(self) -> dict[str, Any]:
        return self.shown()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for n, request in enumerate(requests):
            self.at.get(n, lambda: None)()
            number = int(request.meta["id"].rpartition("/")[2]) - 1
            yield request.key, Generation(f"<answer>{number if n % 3 else 99}</answer>")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[Stopping]:
    class Fresh(Stopping):
        at: dict[int, Callable[[], None]] = {}  # noqa: RUF012 - one for each test

    monkeypatch.setitem(ENGINES._items, "stopping", Fresh)
    return Fresh


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"image": "i.png", "problem": f"How many {n}?", "solution": n} for n in range(ROWS)]
    return write_rows(tmp_path / "counts.json", rows)


def bench(data: Path, out: Path, *more: object, suite: str = "superclevr_test200") -> Result:
    words = [suite, "--engine", "stopping", "--model", "m", "--data", data]
    return CliRunner().invoke(app, [str(w) for w in (*words, "-o", out, *more)])


def anything(row: SampleRow, primary: Mapping[str, str]) -> None:
    assert primary == {"counting": "acc"}


def command(*words: object) -> Result:
    return CliRunner().invoke(vlreward, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def stopped(engine: type[Stopping], data: Path, tmp_path: Path) -> Path:
    engine.at = {7: interrupt}
    done = bench(data, tmp_path / "stopped")
    assert done.exit_code == 130, done.output
    engine.at = {}
    assert not (tmp_path / "stopped" / "results.json").exists()
    return tmp_path / "stopped"


def test_what_was_answered_is_read_by_every_command(
    engine: type[Stopping], data: Path, stopped: Path, tmp_path: Path
) -> None:
    """'expected results.json, found run_superclevr_test200.jsonl', though 7 answers were there."""
    (run,) = load_runs([stopped])
    suite = run.suites["superclevr_test200"]
    assert (suite.result.n, suite.result.wanted, suite.result.acc) == (7, ROWS, 4 / 7)
    assert [row.metrics["acc"] for row in suite.rows()] == [0, 1, 1, 0, 1, 1, 0]
    said = "is not finished: 7 of 12 so far"
    assert any(said in note for note in run.notes)

    page = tmp_path / "page.html"
    assert command("report", stopped, "--html", page).exit_code == 0
    assert "7 of 12 so far" in page.read_text()
    doctor = command("doctor", stopped)
    assert doctor.exit_code == 0
    assert "(a run that is not finished): 7 completions" in " ".join(doctor.output.split())
    again = command("rescore", stopped, "-o", tmp_path / "again", "--protocol", "paddlemix")
    assert again.exit_code == 0, again.output
    assert "the run was not finished: 7 of 12" in again.output

    assert bench(data, tmp_path / "whole").exit_code == 0
    compared = command("compare", stopped, tmp_path / "whole")
    assert compared.exit_code == 0, compared.output
    assert f"stopped {said}" in compared.output
    assert "5 samples of superclevr_test200 are in one run only" in compared.output


def test_the_finished_run_leaves_nothing_of_it(
    engine: type[Stopping], data: Path, stopped: Path
) -> None:
    engine.at = {2: interrupt}
    assert bench(data, stopped, "--limit", 10).exit_code == 130
    engine.at = {}
    assert len(list(stopped.glob("unfinished_*"))) == 4
    assert bench(data, stopped).exit_code == 0
    assert not list(stopped.glob("unfinished_*"))
    (run,) = load_runs([stopped])
    assert run.suites["superclevr_test200"].result.n == ROWS
    assert run.notes == []
    assert "wanted" in (stopped / "results.json").read_text()


def test_a_run_is_read_while_it_goes_on(
    engine: type[Stopping], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "_PATIENCE", -1.0)
    out = tmp_path / "out"
    seen: list[Any] = []

    def look() -> None:
        (found,) = read_unfinished(out, anything).values()
        seen.append((found.result.n, found.result.wanted, found.result.attempts is not None))

    engine.at = dict.fromkeys((5, 20), look)
    done = bench(data, out, "--samples", 2, "--temperature", 1)
    assert done.exit_code == 0, done.output
    assert seen == [(5, 24, True), (20, 24, True)]
    # Done again in another way: what it came to before stays in sight.
    engine.at = {2: lambda: load_and_keep(out, seen)}
    bench(data, out, "--samples", 3, "--temperature", 1)
    assert seen[-1] == [
        f"{out.name}: 'superclevr_test200' is not finished: 8 of 36 so far; shown is what it "
        "came to before"
    ]


def test_verdicts_on_mathematics_are_counted_as_in_results(
    engine: type[Stopping], data: Path, tmp_path: Path
) -> None:
    """They came with the results alone; a run of geometry that went on showed none."""
    rows = [{**row, "solution": f"{row['solution']}"} for row in json.loads(data.read_text())]
    rows[5]["solution"] = r"\sqrt{25}"
    data.write_text(json.dumps(rows))
    out = tmp_path / "out"

    def counts() -> Mapping[str, Any]:
        result = load_runs([out])[0].suites["geoqa_test"].result
        more = result.model_extra or {}
        assert sum(more["verdict_tiers"].values()) == result.n
        return dict(more["verdicts"])

    engine.at = {ROWS - 1: interrupt}
    assert bench(data, out, suite="geoqa_test").exit_code == 130
    assert counts() == {"correct": 7, "wrong": 4}
    assert command("report", out, "--html", tmp_path / "page.html").exit_code == 0
    assert "verdict_tiers" in (tmp_path / "page.html").read_text()
    engine.at = {}
    assert bench(data, out, suite="geoqa_test").exit_code == 0
    assert counts() == {"correct": 7, "wrong": 5}
    assert '"verdict' not in (out / "samples_geoqa_test.jsonl").read_text()


def load_and_keep(out: Path, seen: list[Any]) -> None:
    seen.append(load_runs([out])[0].notes)


def test_half_a_line_is_not_read_and_a_broken_one_is_named(
    engine: type[Stopping], stopped: Path
) -> None:
    (rows,) = stopped.glob("unfinished_*.jsonl")
    content = rows.read_bytes()
    rows.write_bytes(content[:-20])
    (found,) = read_unfinished(stopped, anything).values()
    assert found.result.n == 6
    rows.write_bytes(b"{}\n" + content)
    with pytest.raises(DataError, match=r"unfinished_superclevr_test200.jsonl: .*\n  line 1: "):
        read_unfinished(stopped, anything)
    rows.write_bytes(b"")
    assert read_unfinished(stopped, anything) == {}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"span": [0, 999]}, "expected a span within the"),
        ({"task": "rec"}, "expected task 'counting' as the suite has, got 'rec'"),
        ({"metrics": {}}, "expected the primary metric 'acc' in metrics"),
    ],
)
def test_an_odd_row_is_named_with_its_file_and_line(
    stopped: Path, tmp_path: Path, edit: dict[str, Any], message: str
) -> None:
    """The report ended in a traceback, where that of a finished run named the row."""
    (path,) = stopped.glob("unfinished_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[2] |= edit
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = command("report", stopped, "--html", tmp_path / "page.html")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert f"{path.name}: expected rows as" in said
    assert "line 3: " in said
    assert message in said
