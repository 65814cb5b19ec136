"""Scores a finished run again under other rules, without inference."""

from __future__ import annotations

from pathlib import Path

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.mixed import Prompts
from vlreward.data.errors import DataError
from vlreward.frames import AxisOrder, Frame
from vlreward.report.load import Run, SuiteRun, load_runs
from vlreward.suite import get_suite
from vlreward.tasks import get_task

__all__ = ["rescore"]

_KEPT = {
    *("file", "file_sha256", "data_sha256", "ids_sha256"),
    *("model", "engine", "sampling", "resizing"),
}


def rescore(
    run: Path,
    *,
    protocol: str | None = None,
    method: str | None = None,
    frame: Frame | None = None,
    axis_order: AxisOrder | None = None,
) -> list[Evaluation]:
    """Read a run directory and score its samples again; its blind controls are left out.

    Args:
        run: Directory with `results.json` and `samples_*.jsonl`.
        protocol: Whose rules; None for those of the run.
        method: `r1` or `baseline`; None for that of the run.
        frame: Frame of predicted boxes; None for that of the run.
        axis_order: Which coordinate of a predicted pair comes first; None for that of the run.

    Raises:
        DataError: If the directory is no run, or lacks samples.
        UnknownNameError: If a suite, prompt, protocol or method is not known.
    """
    (loaded,) = load_runs([run])
    return [
        _rescored(loaded, suite, protocol, method, frame, axis_order)
        for suite in loaded.suites.values()
        if suite.result.control is None
    ]


def _rescored(
    run: Run,
    scored: SuiteRun,
    protocol: str | None,
    method: str | None,
    frame: Frame | None,
    axis_order: AxisOrder | None,
) -> Evaluation:
    result = scored.result
    suite = get_suite(result.suite or scored.name)
    rows = scored.rows()
    try:
        samples = [row.sample_in(frame, axis_order) for row in rows]
    except ValueError as error:
        raise DataError(
            f"{scored.name!r} cannot be read{' with --frame' if frame else ''}: {error}"
            f"{'' if frame else ': --frame says one'}",
            path=run.path,
        ) from None
    frames = {sample.frame for sample in samples if sample.frame is not None}
    notes = []
    if result.wanted is not None:
        notes.append(f"the run was not finished: {result.n} of {result.wanted}")
    return Evaluation(
        suite,
        get_task(
            suite.task,
            protocol=protocol if protocol is not None else result.protocol or "strict",
            method=method if method is not None else result.method or "r1",  # type: ignore[arg-type]
        ),
        samples,
        [row.reply() for row in rows],
        prompts=Prompts.named(
            result.prompt or suite.prompts["r1"],
            {task: p.prompt for task, p in result.by_task.items() if p.prompt},
        ),
        name=scored.name,
        frame=frames.pop() if len(frames) == 1 else None,
        frame_declared_by="option" if frame else result.frame_declared_by,
        provenance={
            **{k: v for k, v in result.model_dump().items() if k in _KEPT},
            "rescored_from": run.path.resolve().name,
        },
        notes=notes,
        images=scored.images,
        attempts=[row.attempt or 0 for row in rows],
    )
