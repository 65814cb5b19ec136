"""Several answers to each question: drawn, resumed, kept, summed up, compared."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.runs import results
from vlreward.bench.attempts import attempts_at, summarise
from vlreward.bench.cli import app
from vlreward.bench.run_reader import read_results
from vlreward.cli import app as vlreward
from vlreward.engines.base import ENGINES, Engine, Generation, Outcome, Request
from vlreward.report.load import load_runs
from vlreward.report.pairs import compare_runs
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.types import Completion, Sample

QUESTIONS = 8


class Drawing(Engine):
    """Counts right in a share of its answers that grows with the question's number."""

    name = "drawing"
    asked: list[Request]
    broken: frozenset[str] = frozenset()

    def describe(self) -> dict[str, Any]:
        return self.shown()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            type(self).asked.append(request)
            number = int(request.meta["id"].rpartition("/")[2]) - 1
            rng = random.Random(self.sampling.batch_seed(request.key))
            right = rng.random() < number / (QUESTIONS - 1)
            yield request.key, Generation(f"<answer>{number if right else 99}</answer>")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[Drawing]:
    class Fresh(Drawing):
        asked: list[Request] = []  # noqa: RUF012 - one list for each test

    monkeypatch.setitem(ENGINES._items, "drawing", Fresh)
    return Fresh


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = []
    for number in range(QUESTIONS):
        name = f"{number // 2}.png"
        Image.new("RGB", (8, 8), (number // 2, 0, 0)).save(tmp_path / name)
        rows.append({"image": name, "problem": f"How many {number}?", "solution": number})
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(rows))
    return file


def bench(data: Path, out: Path, *more: object) -> Result:
    words = ["superclevr_test200", "--engine", "drawing", "--model", "m", "--data", data, "-o", out]
    return CliRunner().invoke(app, [str(w) for w in (*words, *more)], catch_exceptions=False)


def entry(out: Path) -> dict[str, Any]:
    (found,) = results(out).values()
    return dict(found)


def rows(out: Path) -> list[dict[str, Any]]:
    (file,) = out.glob("samples_*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_question_gets_k_answers_of_its_own(
    engine: type[Drawing], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = bench(data, out, "--samples", 6, "--temperature", 1)
    assert result.exit_code == 0, result.output
    assert len({request.key for request in engine.asked}) == len(engine.asked) == QUESTIONS * 6
    assert len({request.group for request in engine.asked}) == QUESTIONS
    found, written = entry(out), rows(out)
    assert [(row["id"], row["attempt"]) for row in written] == [
        (f"superclevr_test200/{n + 1}", k) for n in range(QUESTIONS) for k in range(6)
    ]
    several = found["attempts"]
    assert found["n"] == QUESTIONS * 6
    assert (several["questions"], several["most"], several["fewest"]) == (QUESTIONS, 6, 6)
    assert list(several["pass_at"]) == ["1", "2", "4", "6"]
    assert several["pass_at"]["1"] == pytest.approx(found["acc"])
    assert list(several["pass_at"].values()) == sorted(several["pass_at"].values())
    right = [
        sum(row["metrics"]["acc"] for row in written[i : i + 6]) for i in range(0, len(written), 6)
    ]
    assert several["always_right"] == right.count(6)
    assert several["never_right"] == right.count(0)
    assert several["pass_at"]["6"] == 1 - right.count(0) / QUESTIONS
    # Right against one wrong answer: the majority of six, a tie half.
    elected = sum(1.0 if n > 3 else 0.5 if n == 3 else 0.0 for n in right) / QUESTIONS
    assert several["majority_at"]["6"] == pytest.approx(elected)
    assert several["majority_at"]["1"] == pytest.approx(found["acc"])
    # Six answers to one question are not six questions, and two questions share each image.
    assert found["acc_ci_method"] == "cluster bootstrap"
    assert found["acc_ci_clustered"] is not None
    assert found["acc_ci"][1] - found["acc_ci"][0] > 0.3
    for text in ("8 questions with 6 answers each", "pass@6", "maj@6", "spread"):
        assert text in result.output


def test_more_answers_go_on_where_fewer_stopped(
    engine: type[Drawing], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bench(data, out, "--samples", 2, "--temperature", 1)
    first = rows(out)
    assert len(engine.asked) == QUESTIONS * 2
    assert bench(data, out, "--samples", 5, "--temperature", 1).exit_code == 0
    assert len(engine.asked) == QUESTIONS * 5
    kept = [row for row in rows(out) if row["attempt"] < 2]
    assert [row["completion"] for row in kept] == [row["completion"] for row in first]
    # The seed of the run is part of what answers depend on.
    assert bench(data, out, "--samples", 5, "--temperature", 1, "--seed", 7).exit_code == 2
    other = tmp_path / "other"
    bench(data, other, "--samples", 5, "--temperature", 1, "--seed", 7)
    assert [row["completion"] for row in rows(other)] != [row["completion"] for row in rows(out)]


def test_equal_answers_are_not_asked_for(engine: type[Drawing], data: Path, tmp_path: Path) -> None:
    result = bench(data, tmp_path / "out", "--samples", 2)
    assert result.exit_code == 2
    assert "greedy decoding (--temperature 0) has no use for --samples" in result.stderr
    assert engine.asked == []


def test_rescoring_controls_report_and_comparison_know_them(
    engine: type[Drawing], data: Path, tmp_path: Path
) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    bench(data, a, "--samples", 4, "--temperature", 1, "--controls", "--html")
    bench(data, b, "--limit", 5)
    found = results(a)
    constant = next(name for name in found if "@constant" in name)
    assert (found[constant]["n"], found[constant]["attempts"]) == (QUESTIONS, None)
    assert found["superclevr_test200@shuffled-images"]["attempts"]["most"] == 4
    done = CliRunner().invoke(vlreward, ["rescore", str(a), "-o", str(c)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    before = read_results(a).results["superclevr_test200"]
    after = read_results(c).results["superclevr_test200"]
    assert after.attempts == before.attempts
    assert after.acc_ci == before.acc_ci
    assert 'superclevr_test200/1#3"' in (a / "report.html").read_text()

    (pair,) = compare_runs(load_runs([a, b]))
    assert (pair.suite, pair.suite_b) == ("superclevr_test200", "superclevr_test200[0:5]")
    assert (pair.n, pair.unpaired) == (5, 3)
    by_id: dict[str, list[float]] = {}
    for row in load_runs([a])[0].suites["superclevr_test200"].rows():
        by_id.setdefault(row.id, []).append(row.metrics["acc"])
    single = {r.id: r.metrics["acc"] for r in load_runs([b])[0].suites[pair.suite_b].rows()}
    gaps = [value - sum(by_id[key]) / 4 for key, value in single.items()]
    assert pair.difference == pytest.approx(sum(gaps) / 5)
    shown = CliRunner().invoke(vlreward, ["compare", str(a), str(b)], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "4 and 1 answers to a sample" in shown.output
    assert "superclevr_test200 and superclevr_test200[0:5] are subsets of one suite" in shown.output


def test_a_draw_and_a_beginning_are_compared_over_what_both_have(
    engine: type[Drawing], data: Path, tmp_path: Path
) -> None:
    """Suites were paired by the names that are shown: subsets shared nothing."""
    a, b = tmp_path / "a", tmp_path / "b"
    bench(data, a, "--limit", 6)
    bench(data, b, "--sample-num", 6)
    ids = [{row["id"] for row in rows(out)} for out in (a, b)]
    (pair,) = compare_runs(load_runs([a, b]))
    assert pair.n == len(ids[0] & ids[1]) < 6
    assert pair.unpaired == len(ids[0] ^ ids[1])


def test_boxes_hold_no_vote_and_lost_answers_leave_their_questions_in() -> None:
    box = get_task("rec")
    gold = {"task": "rec", "box": [0, 0, 10, 10], "frame": "original_px"}
    samples = [
        Sample(id=name, gold=gold, frame="original_px", image_size=(20, 20)) for name in "aaab"
    ]
    answers = [Completion(f"<answer>[0, 0, {n}, 10]</answer>") for n in (10, 3, 9, 3)]
    found = summarise(samples, score_batch(box, answers, samples), box.primary)
    assert (found.questions, found.most, found.fewest) == (2, 3, 1)
    assert found.majority_at == {}
    assert found.pass_at == {"1": pytest.approx(1 / 3), "2": 1.0, "3": 1.0}
    assert (found.always_right, found.never_right) == (0, 1)


def test_which_k_are_told() -> None:
    assert [attempts_at(k) for k in (1, 2, 3, 8, 10)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
        [1, 2, 4, 8, 10],
    ]
