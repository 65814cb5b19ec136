"""Traces of a run that resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlreward.bench.completions_file import read_recorded
from vlreward.data import DataError
from vlreward.data.traces import read_trace
from vlreward.doctor import read_observations
from vlreward.rewards import TaskReward
from vlreward.training.traces import TraceFile
from vlreward.types import Sample


def test_resuming_drops_later_and_torn_lines(tmp_path: Path) -> None:
    traces = TraceFile(str(tmp_path), 1)
    lines = [f'{{"step": {step}, "id": "x"}}\n' for step in (0, 1, 1, 2, 3)]
    traces.path.write_text("".join(lines) + '{"step": 1, "i', encoding="utf-8")
    traces.rewind(2)
    assert traces.path.read_text(encoding="utf-8") == "".join(lines[:3])
    assert [file.rank for file in traces.all_files()] == [1]
    TraceFile(str(tmp_path), 9).rewind(2)


def test_the_first_process_sees_to_files_without_a_process(tmp_path: Path) -> None:
    """A run of four processes goes on with two, from step 1."""
    files = [TraceFile(str(tmp_path), rank) for rank in range(4)]
    for file in files:
        file.path.write_text('{"step": 0}\n{"step": 1}\n', encoding="utf-8")
    files[1].resume(1, world_size=2)
    assert [len(file.path.read_bytes().splitlines()) for file in files] == [2, 1, 2, 2]
    files[0].resume(1, world_size=2)
    assert [len(file.path.read_bytes().splitlines()) for file in files] == [1, 1, 1, 1]


def test_the_evaluation_before_a_checkpoint_is_kept(tmp_path: Path) -> None:
    """It is made before the checkpoint of its step, and not again by a run that goes on there."""
    traces = TraceFile(str(tmp_path))
    kinds = [(1, "train"), (2, "eval"), (2, "train"), (3, "eval")]
    lines = [f'{{"step": {step}, "mode": "{mode}"}}\n' for step, mode in kinds]
    traces.path.write_text("".join(lines), encoding="utf-8")
    traces.rewind(2)
    assert traces.path.read_text(encoding="utf-8") == "".join(lines[:2])


def _row(step: int) -> dict[str, Any]:
    scored = {"terms": {"exact": 1.0}, "value": 1.0}
    return {"step": step, "id": "q", "completion": "<answer>3</answer>", **scored}


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_torn_line_is_left_out_and_said_wherever_it_stands(place: int, tmp_path: Path) -> None:
    path = tmp_path / "rank-00000.jsonl"
    lines = [json.dumps(_row(step)) for step in range(3)]
    lines.insert(place, '{"step": 1, "comple')
    path.write_text("\n".join(lines))
    said: list[str] = []
    assert [raw.value["step"] for raw in read_trace(path, said.append)] == [0, 1, 2]
    assert said == [f"{path}: left out 1 torn line: line {place + 1}"]


def test_many_torn_lines_are_counted_and_the_first_are_named(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "rank-00000.jsonl"
    path.write_bytes(b'\x00\xff\n[3]\n{"id": 1}\n' * 5 + b'{"step": 1}\n')
    assert [raw.line for raw in read_trace(path)] == [16]
    numbers = ", ".join(map(str, range(1, 11)))
    assert capsys.readouterr().err == (
        f"warning: {path}: left out 15 torn lines: lines {numbers}, ...\n"
    )


def test_what_is_no_trace_is_refused_and_stays(tmp_path: Path) -> None:
    """A run that went on emptied such a file."""
    path = tmp_path / "rank-00000.jsonl"
    path.write_text('{"id": 1}\nnone\n')
    expected = r"expected traces in a file of this name, got other lines\n  line 1: expected an"
    with pytest.raises(DataError, match=expected):
        TraceFile(str(tmp_path)).rewind(2)
    with pytest.raises(DataError, match=expected):
        read_observations(tmp_path)
    assert path.read_text() == '{"id": 1}\nnone\n'
    path.write_text('{"step": 0, "i')  # all that a killed process wrote
    assert list(read_trace(path)) == []


def test_recorded_completions_of_a_trace_are_read_by_the_same_reader(tmp_path: Path) -> None:
    path = tmp_path / "rank-00000.jsonl"
    path.write_text(json.dumps(_row(0)) + '\n{"step": 0, "comp' + "\n" + json.dumps(_row(1)))
    golds = {"q": Sample.model_validate({"id": "q", "gold": {"task": "counting", "count": 3}})}
    file = read_recorded(path, "counting", golds=golds)
    assert len(file.rows) == 2
    assert file.notes[0] == "rank-00000.jsonl: left out 1 torn line: line 2"


def test_what_is_no_number_leaves_the_trace_readable(tmp_path: Path) -> None:
    """`NaN` stood in it, and the doctor refused the run that had diverged."""
    trace = TraceFile(str(tmp_path))
    scores = TaskReward("counting").scores(["<answer>3</answer>"] * 2, solution=[3, 3])
    columns = {"logp_difference": [float("nan"), 0.25]}
    trace.write("counting", ["<answer>3</answer>"] * 2, scores, columns)
    assert "NaN" not in trace.path.read_text()
    assert [one.logp_difference for one in read_observations(tmp_path)] == [None, 0.25]
