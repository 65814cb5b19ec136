"""Traces of a run that resumes."""

from __future__ import annotations

from pathlib import Path

from vlreward.training.traces import TraceFile


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
