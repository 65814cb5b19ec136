"""Scored completions, whatever file they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward._text import short, warn
from vlreward.answer_frames import UNDECLARED, AnswerFrames
from vlreward.bench.completions_file import RecordedFile, read_recorded
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource
from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile
from vlreward.data.traces import is_trace, read_trace, trace_files
from vlreward.errors import OptionError
from vlreward.frames import BOXES, Frame, x_first
from vlreward.geometry import Box, Size
from vlreward.gold_frames import GoldFrame
from vlreward.task import TaskSpec
from vlreward.tasks import get_task

__all__ = ["Corners", "Observation", "read_observations"]

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One completion and what it earned."""

    where: str
    """File and line, for a person."""
    completion: str
    """What the model wrote."""
    value: float
    """Its reward: the weighted sum of the terms."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """Each term by name."""
    task: str = ""
    """Name of the task, if the file says."""
    group: tuple[Any, ...] | None = None
    """What completions of one prompt at one step have in common; None if the file does not say."""
    tokens: int | None = None
    """Length in tokens, if the file says."""
    truncated: bool | None = None
    """Whether generation stopped at the token limit; None if the file does not say."""
    failure: str | None = None
    """Why there is no usable answer; None if there is one."""
    detail: str = ""
    """More about the failure."""
    box: Corners | None = None
    """The box in the frame in which the model wrote it, x first, if it wrote one."""
    frame: Frame | None = None
    """Declared frame of the box."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model saw."""
    gold: Corners | None = None
    """The gold's box in original pixels, if it is one and the file has it."""
    logp_difference: float | None = None
    """How far the sampler's log-probabilities are from the model's, in nats a token, if known."""

    @property
    def length(self) -> int:
        """Length in tokens, or in characters where those are not known."""
        return len(self.completion) if self.tokens is None else self.tokens


def read_observations(
    path: Path,
    *,
    task: str | None = None,
    protocol: str = "strict",
    method: str | None = None,
    frames: AnswerFrames = UNDECLARED,
    columns: str | Mapping[str, str] | None = None,
    gold_frame: str | GoldFrame | None = None,
    images: ImageSource | None = None,
    say: Callable[[str], object] = warn,
) -> list[Observation]:
    """Read a trace, the directory of a run, or a file of recorded completions.

    Args:
        path: A directory with `rank-*.jsonl`, itself or in `traces` (of which the training is
            read), or with `samples_*.jsonl` (a benchmark run), one of those files, or any file
            that `vlreward-bench --completions` reads.
        task: Task of recorded completions, which must be scored first.
        protocol: Rules to score recorded completions by.
        method: Where the answers of recorded completions stand; by default as the protocol has it.
        frames: How boxes were written, where the file does not say.
        columns: Keys of recorded completions by what is read from them; see `read_recorded`.
        gold_frame: Frame of the golds' coordinates in recorded completions that do not say.
        images: Where images of recorded completions are, for sizes that their rows do not say.
        say: Told of torn lines of traces, which are left out, and of what a reader of recorded
            completions should know.

    Raises:
        DataError: If there is nothing to read, or a row is bad; names the file and the line.
        OptionError: If `columns` or `gold_frame` say what there is not, or are given for rows
            that are scored already.
    """
    if path.is_dir():
        files = trace_files(path) or trace_files(path / "traces")
        for kind in ("samples_*.jsonl", "unfinished_*.jsonl"):
            files = files or sorted(path.glob(kind))
        if not files:
            raise DataError(
                "expected files rank-*.jsonl (a trace) or samples_*.jsonl (a run), found none",
                path=path,
            )
    elif path.is_file():
        files = [path]
    else:
        raise DataError("expected a trace, a run or a result file, found nothing there", path=path)
    found: list[Observation] = []
    for file in files:
        rows = _scored_rows(file, say)
        if rows is not None:
            if columns is not None or gold_frame is not None:
                raise OptionError(
                    f"--columns and --gold-frame are for recorded completions: {str(file)!r} is "
                    "scored already"
                )
            found += _observations(file, rows, frames)
            continue
        if task is None:
            raise DataError(
                "recorded completions must be scored: name their task with --task", path=file
            )
        read = read_recorded(
            file, task, frames=frames, columns=columns, gold_frame=gold_frame, images=images
        )
        for note in read.notes:
            say(f"{file.name}: {note.removeprefix('WARNING: ')}")
        how: Any = method
        found += _scored(read, get_task(task, protocol=protocol, method=how))
    if not found:
        raise DataError("expected completions, got none", path=path)
    return found


def _scored_rows(file: Path, say: Callable[[str], object]) -> Iterable[RawRow] | None:
    """The rows of a trace or of a run; None of a file whose completions must be scored first."""
    if is_trace(file):
        return read_trace(file, say)
    if file.suffix.lower() in JSONL_SUFFIXES:
        first = next(iter(RowFile(file))).value
        if isinstance(first, dict) and {"completion", "terms"} <= first.keys():
            return read_trace(file, say) if "step" in first else RowFile(file, growing=True)
    return None


def _observations(
    file: Path, rows: Iterable[RawRow], frames: AnswerFrames
) -> Iterator[Observation]:
    for raw in rows:
        if isinstance(raw.value, dict) and raw.value.get("mode") == "eval":
            continue  # answers to rows of the evaluation, which have no groups
        try:
            yield _observation(file, raw, frames)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"line {raw.line}: {error}", path=file) from None


def _observation(file: Path, raw: RawRow, frames: AnswerFrames) -> Observation:
    row: Any = raw.value
    if not isinstance(row, dict):
        raise ValueError(f"expected an object, got {type(row).__name__}")
    completion = row.get("completion")
    if not isinstance(completion, str):
        raise ValueError(f"'completion': expected a text, got {short(completion)}")
    terms = {str(k): _number(v, f"terms.{k}") for k, v in dict(row["terms"]).items()}
    value = row.get("value")
    failure, detail = row.get("failure"), row.get("detail") or ""
    if isinstance(failure, dict):
        detail = failure.get("detail") or ""
        failure = failure.get("code")
    step = row.get("step")
    prompt = next((row[k] for k in ("prompt_id", "id") if row.get(k) is not None), None)
    truncated = row.get("truncated")
    name = row.get("frame")
    return Observation(
        where=f"{file.name}:{raw.line}",
        completion=completion,
        value=_number(sum(terms.values()) if value is None else value, "value"),
        terms=terms,
        task=str(row.get("task") or ""),
        group=None if prompt is None else (step, row.get("task"), str(prompt)),
        tokens=_whole(row.get("tokens", row.get("token_count"))),
        truncated=None if truncated is None else bool(truncated),
        failure=None if failure is None else str(failure),
        detail=str(detail),
        box=_box(
            row.get("raw_answer", row.get("answer")),
            frames.order_of(row.get("axis_order")),
            row.get("axes"),
        ),
        frame=frames.frame_of(Frame(name) if name else None),
        image_size=_size(row.get("image_size")),
        input_size=_size(row.get("input_size")),
        gold=_gold_box(row.get("gold")),
        logp_difference=_optional(row.get("logp_difference"), "logp_difference"),
    )


def _optional(value: Any, name: str) -> float | None:
    return None if value is None else _number(value, name)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name!r}: expected a finite number, got {short(value)}")
    return float(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _size(value: Any) -> Size | None:
    try:
        return None if value is None else Size.from_sequence([float(side) for side in value])
    except (TypeError, ValueError):
        return None


def _gold_box(gold: Any) -> Corners | None:
    """The box of a gold that is measured in original pixels."""
    if not isinstance(gold, dict) or gold.get("frame", Frame.ORIGINAL_PX) != Frame.ORIGINAL_PX:
        return None
    return _box(gold.get("box"))


def _box(value: Any, order: Any = None, axes: Any = None) -> Corners | None:
    if not isinstance(value, Box):
        if not isinstance(value, (list, tuple)):
            return None
        try:
            value = BOXES.get(axes, Box)(*map(float, value))
        except (TypeError, ValueError, OverflowError):
            return None
    return x_first(value, order)


def _scored(file: RecordedFile, task: TaskSpec) -> Iterator[Observation]:
    """Recorded completions, with what a task says of them."""
    from vlreward.scoring import score_batch

    samples = [row.sample for row in file.rows]
    scores = score_batch(task, [row.completion for row in file.rows], samples)
    for row, sample, score in zip(file.rows, samples, scores):
        failure = score.failure
        yield Observation(
            where=f"{file.path.name}, row {row.row}",
            completion=row.completion.text,
            value=score.value,
            terms=score.terms,
            task=task.name,
            group=(task.name, sample.id),
            tokens=row.completion.token_count,
            truncated=row.completion.truncated or None,
            failure=None if failure is None else failure.code.value,
            detail="" if failure is None else failure.detail,
            box=_box(score.answer, sample.axis_order),
            frame=sample.frame,
            image_size=sample.image_size,
            input_size=sample.input_size,
            gold=_box(sample.target),
        )
