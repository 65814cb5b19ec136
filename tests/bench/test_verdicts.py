"""The line of the table where a file's own verdicts and ours differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.runs import results
from vlreward.bench.cli import app
from vlreward.bench.verdicts import disagreement, recorded_accuracy
from vlreward.types import FailureCode, ParseFailure, Score


def _score(right: bool, failure: ParseFailure | None = None) -> Score:
    return Score(float(right), {}, {"acc": float(right)}, failure)


_NO_TAG = ParseFailure(FailureCode.NO_ANSWER, "expected an answer, got no <answer>")
_POINTS = ParseFailure(FailureCode.NO_BOX, "expected a box, got 1 point")


_SIX_TENTHS = [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("figure", "verdicts", "fraction"),
    [
        (0.6, [True] * 3 + [False] * 497, 0.006),
        (0.6, _SIX_TENTHS * 100, 0.6),
        (0.6, [None] * 500, None),  # 3 or 300 of 500
        (0.805, [None] * 200, 0.805),  # 161; no per cent of 200 rows
        (0.56, [True] + [False] * 178, 0.0056),  # of 1 in 179, rounded
        (0.5027932960893855, [None] * 179, 0.5027932960893855),
        (0.5586592178770949, [None] * 179, None),  # 1 or 100
        (1, _SIX_TENTHS * 40, None),  # of neither unit: another mean
        (1.0, [True] * 200, 1),
        (1, [True] * 2 + [False] * 198, 0.01),
        (1, [None] * 200, None),
        (0.0, [None], 0),
        (89.4, [None], 0.894),
        (447, [None] * 500, None),  # a count
        (-1, [True], None),
        (True, [True], None),
        ("0.6", _SIX_TENTHS, None),
    ],
)
def test_the_unit_of_a_recorded_accuracy_is_told_by_its_rows(
    figure: object, verdicts: list[bool | None], fraction: float | None
) -> None:
    """0.6 per cent were noted as 60."""
    found = recorded_accuracy(figure, verdicts)
    assert found == (None if fraction is None else pytest.approx(fraction))


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
