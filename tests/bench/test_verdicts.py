"""The line of the table where a file's own verdicts and ours differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.runs import results
from vlreward.bench.cli import app
from vlreward.bench.verdicts import disagreement
from vlreward.types import FailureCode, ParseFailure, Score


def _score(right: bool, failure: ParseFailure | None = None) -> Score:
    return Score(float(right), {}, {"acc": float(right)}, failure)


_NO_TAG = ParseFailure(FailureCode.NO_ANSWER, "expected an answer, got no <answer>")
_POINTS = ParseFailure(FailureCode.NO_BOX, "expected a box, got 1 point")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (_NO_TAG, ["4 of them by no_answer", "--method baseline"]),
        (_POINTS, ["got 1 point", "the task pointing"]),
        (None, ["4 of them read but judged otherwise", "--frame"]),
        (ParseFailure(FailureCode.AMBIGUOUS_AXES, "declare"), ["ambiguous_axes", "--axis-order"]),
    ],
)
def test_the_commonest_reason_and_what_may_help(
    failure: ParseFailure | None, words: list[str]
) -> None:
    scores = [_score(False, failure)] * 4 + [_score(True)] * 6
    note = disagreement(scores, "acc", [True] * 10, None)
    assert note is not None
    for word in ("WARNING", "100.00%", "60.00%", "4 rows differ", *words):
        assert word in note


def test_there_is_nothing_to_say_within_two_points_or_without_verdicts() -> None:
    scores = [_score(True)] * 99 + [_score(False, _NO_TAG)]
    assert disagreement(scores, "acc", [True] * 100, None) is None
    assert disagreement(scores, "acc", [None] * 100, None) is None
    assert disagreement(scores, "acc", [None] * 100, 0.5) is not None


def test_most_rows_that_fail_are_said_where_the_file_has_no_verdicts() -> None:
    note = disagreement([_score(False, _NO_TAG)] * 3 + [_score(True)] * 2, "acc", [None] * 5, None)
    assert note is not None
    assert "3 of 5 rows have no usable answer, 3 of them by no_answer" in note
    assert "try --method baseline" in note


def test_clicks_that_are_taken_for_boxes_are_named(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "recorded/screenspot/click_results_screenspot_mobile_checkpoint_100.json"
    if not path.is_file():
        pytest.skip(f"the recorded completions are not at {path}")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["refcoco_val", "-c", str(path), "-o", str(out)])
    assert result.exit_code == 0, result.output
    (suite,) = results(out).values()
    (note,) = [note for note in suite["notes"] if "own verdicts" in note]
    assert "95.01% are right, here 0.00%" in note
    assert "the task pointing: these answers are points" in note
