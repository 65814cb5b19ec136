"""Recorded completions: the authors' accuracy under their protocol, and what `strict` changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlreward.bench.completions_file import Recorded, read_recorded
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.types import Score

REC = {
    # file -> right answers of 500, method. The baseline file records 0.0 because its authors
    # rescaled the extraction to 0-1000 and left the gold in pixels; its raw boxes give 447.
    "refcoco_val_qwen2_5vl_3b_instruct_baseline": (447, "baseline", 0.0),
    "refcoco_val_qwen2_5vl_3b_instruct_sft_100": (447, "baseline", 0.894),
    "refcoco_val_qwen2_5vl_3b_instruct_r1_100": (448, "r1", 0.896),
    "refcoco_val_qwen2_5vl_3b_instruct_r1_500": (453, "r1", 0.906),
    "refcocop_val_qwen2_5vl_3b_instruct_r1_100": (414, "r1", 0.828),
}
COUNTING = {
    "superclevr_200_qwen2vl_2b_instruct_legacy": (96, 0.48),
    "superclevr_200_qwen2vl_2b_instruct_r1_100": (160, 0.80),
}


def scored(
    path: Path, task: str, protocol: str, method: Any = "r1"
) -> tuple[tuple[Recorded, ...], list[Score], float | None]:
    file = read_recorded(path, task)
    spec = get_task(task, protocol=protocol, method=method)
    completions = [row.completion for row in file.rows]
    return file.rows, score_batch(spec, completions, [r.sample for r in file.rows]), file.accuracy


def hits(scores: list[Score], metric: str) -> int:
    return round(sum(score.metrics[metric] for score in scores))


@pytest.mark.parametrize("name", REC)
def test_rec_accuracy_is_the_recorded_one_exactly(shared_data: Path, name: str) -> None:
    right, method, accuracy = REC[name]
    path = shared_data / "recorded" / "rec" / f"rec_results_{name}.json"
    rows, scores, recorded = scored(path, "rec", "vlm-r1", method)
    assert hits(scores, "acc@0.5") == right
    assert recorded == pytest.approx(accuracy, abs=1e-12)
    if accuracy:
        assert right / len(rows) == pytest.approx(accuracy, abs=1e-12)
        assert [bool(s.metrics["acc@0.5"]) for s in scores] == [row.correct for row in rows]


@pytest.mark.parametrize("name", REC)
def test_rec_under_strict_agrees_row_by_row(shared_data: Path, name: str) -> None:
    """No row differs: each of these files has one well-formed box per completion."""
    _, method, _ = REC[name]
    path = shared_data / "recorded" / "rec" / f"rec_results_{name}.json"
    rows, theirs, _ = scored(path, "rec", "vlm-r1", method)
    _, strict, _ = scored(path, "rec", "strict", method)
    for row, a, b in zip(rows, theirs, strict):
        assert b.failure is None, row.sample.id
        assert a.metrics["acc@0.5"] == b.metrics["acc@0.5"], row.sample.id
        assert tuple(a.answer) == tuple(b.answer), row.sample.id


@pytest.mark.parametrize("name", COUNTING)
def test_counting_accuracy_is_the_recorded_one_exactly(shared_data: Path, name: str) -> None:
    right, accuracy = COUNTING[name]
    path = shared_data / "recorded" / "counting" / f"counting_results_{name}.json"
    for protocol in ("r1-v", "paddlemix"):
        rows, scores, recorded = scored(path, "counting", protocol)
        assert hits(scores, "acc") == right
        assert right / len(rows) == recorded == accuracy


# R1-V takes an answer of digits alone. Under `strict` these say more, or nothing:
OPTION_AND_NUMBER = "an option letter before the number: strict reads the number"
OPTION_ALONE = "an option letter alone: no number for either; strict calls it bad_number"
STRICT_DIFFERS = {
    **dict.fromkeys((73, 86, 91, 107, 113, 116, 150, 166, 192, 195), OPTION_AND_NUMBER),
    **dict.fromkeys((111, 149, 167), OPTION_AND_NUMBER + ", and it is right"),
    **dict.fromkeys((11, 12, 39, 92, 93, 101, 115, 119, 129, 180), OPTION_ALONE),
}


def test_every_row_that_strict_counts_differently_is_explained(shared_data: Path) -> None:
    for name, differing in (
        ("superclevr_200_qwen2vl_2b_instruct_legacy", STRICT_DIFFERS),
        ("superclevr_200_qwen2vl_2b_instruct_r1_100", {}),
    ):
        path = shared_data / "recorded" / "counting" / f"counting_results_{name}.json"
        rows, theirs, _ = scored(path, "counting", "r1-v")
        _, strict, _ = scored(path, "counting", "strict")
        found = {}
        for row, a, b in zip(rows, theirs, strict):
            codes = [s.failure.code.value if s.failure else None for s in (a, b)]
            if codes[0] == codes[1] and a.metrics["acc"] == b.metrics["acc"]:
                continue
            assert codes[0] == "no_answer"
            if codes[1] == "bad_number":
                reason = OPTION_ALONE
            else:
                reason = OPTION_AND_NUMBER
                if b.metrics["acc"]:
                    reason += ", and it is right"
            found[int(row.sample.id)] = reason
        assert found == differing


def test_geometry_accuracy_is_the_recorded_one_exactly(shared_data: Path) -> None:
    path = shared_data / "recorded" / "geometry" / "geoqa_test_qwen2vl_7b_instruct_legacy.json"
    rows, scores, recorded = scored(path, "geometry", "r1-v")
    assert hits(scores, "acc") == 231
    assert recorded == pytest.approx(231 / 754)
    assert [bool(s.metrics["acc"]) for s in scores] == [row.correct for row in rows]


@pytest.mark.parametrize(
    ("path", "task"),
    [
        *((f"counting/counting_results_{name}", "counting") for name in COUNTING),
        *((f"rec/rec_results_{name}", "rec") for name in REC if "_r1_" in name),
        ("screenspot/boxes_mobile_qwen2_5vl_7b_r1_20", "pointing"),
        ("screenspot/click_results_screenspot_mobile_checkpoint_100", "pointing"),
    ],
)
def test_a_whole_output_reads_as_its_tag(shared_data: Path, path: str, task: str) -> None:
    """Where a tag holds an answer, thinking around it changes nothing, ended or not."""
    file = shared_data / "recorded" / f"{path}.json"
    _, tagged, _ = scored(file, task, "strict", "r1")
    rows, whole, _ = scored(file, task, "strict", "baseline")
    differing = {
        row.sample.id: (a.answer, b.answer)
        for row, a, b in zip(rows, tagged, whole)
        if a.failure is None and a.answer != b.answer
    }
    assert not differing
