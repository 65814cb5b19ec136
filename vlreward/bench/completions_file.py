"""Reads recorded completions with their golds, from the files of benchmarks and of trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlreward._text import first_problem, short
from vlreward.bench.questions import Questions, Recorded
from vlreward.bench.recorded_files import recorded_rows
from vlreward.bench.recorded_keys import (
    PLACES,
    field_of,
    gold_of,
    question_of,
    replies_of,
    verdict_of,
)
from vlreward.data.columns import parse_columns
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.framed import framed, looked_at
from vlreward.data.rows import RawRow
from vlreward.frames import AxisOrder, Frame, ModelFamily
from vlreward.geometry import Size
from vlreward.gold_frames import GoldFrame
from vlreward.types import Sample

__all__ = ["Recorded", "RecordedFile", "read_recorded"]

_TOLERANCE = 2.0  # pixels, as `vlreward.data.load` has it


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """The rows of one file, and what was assumed in reading it."""

    path: Path
    """The file."""
    sha256: str
    """Hex digest of its bytes."""
    rows: tuple[Recorded, ...]
    """At least one; a row of the file that has several completions is several of these."""
    frame: Frame | None
    """Frame of predicted coordinates, the same for all rows; None if they have none."""
    frame_declared_by: str | None
    """Who declared the frame: `option`, `model family`, `file` or `default`."""
    accuracy: float | None
    """The accuracy that the file itself records, as a fraction; None if it records none."""
    notes: tuple[str, ...] = ()
    """What a reader of the number should know."""

    @property
    def questions(self) -> int:
        """Number of different questions."""
        return sum(row.attempt == 0 for row in self.rows)


def read_recorded(
    path: Path,
    task: str,
    *,
    also: Sequence[str] = (),
    frame: Frame | None = None,
    family: ModelFamily | None = None,
    axis_order: AxisOrder | None = None,
    golds: Mapping[str, Sample] | None = None,
    columns: str | Mapping[str, str] | None = None,
    gold_frame: str | GoldFrame | None = None,
) -> RecordedFile:
    """Read a file of recorded completions.

    Args:
        path: A file that `recorded_rows` reads. Where its rows keep completion, gold, question and
            the rest, `recorded_keys.PLACES` says; beside these they may have `task`, `image_size`
            or `width` and `height`, `input_size`, `frame`, `axis_order`, `metadata`, `truncated`
            or `finish_reason`, `token_count`. Rows of one id, and the completions of one row, are
            answers to one question.
        task: Task of rows that do not name theirs.
        also: Further tasks that rows may name.
        frame: Frame of predicted coordinates, in place of what the rows say; `original_px` if
            neither says one.
        family: Model family, for the frame, the order of the axes and input sizes.
        axis_order: Which coordinate of a predicted pair comes first, in place of what rows and
            family say.
        golds: Samples by id, for files that hold no golds.
        columns: Keys by what is read from them, in place of the usual ones: `completion`, `gold`,
            `question`, `image`, `id`, `correct`; `a.b` is the field `b` of the object `a`.
        gold_frame: Frame of the golds' coordinates; a frame beside a box wins. Pixels of the
            original image by default; golds that look otherwise are said in the notes.

    Raises:
        DataError: If the file is missing, empty or of another format, or a row lacks something;
            names the row, what was expected and what was found.
        ImportError: If the format needs an extra that is missing.
        OptionError: If `columns` or `gold_frame` say what there is not.
    """
    columns = parse_columns(columns, tuple(PLACES))
    declared = None if gold_frame is None else GoldFrame.parse(gold_frame)
    file = recorded_rows(path)
    by_option = "option"
    if frame is None and family is not None:
        frame, by_option = family.frame, "model family"
    questions = Questions()
    frames: set[tuple[Frame, str]] = set()
    suspicious: list[RowProblem] = []
    for raw in file.rows:

        def suspect(what: str, fit: str, raw: RawRow = raw) -> None:
            suspicious.append(RowProblem(raw.number, f"{what}: {fit}", raw.line))

        try:
            row = _object(raw.value)
            replies = replies_of(row, columns)
            if golds is not None:
                sample = _known(row, golds, columns)
            else:
                sample = _sample(row, raw.number, (task, *also), columns, declared, suspect)
            declared_in_file = sample.frame is not None
            if sample.gold.located:
                sample = _with_frame(sample, frame, family, axis_order)
            named = field_of(row, "id", columns) is not None
            questions.add(raw, sample, replies, verdict_of(row, columns), row, named=named)
        except ValidationError as error:
            raise _row_error(path, raw, first_problem(error)) from None
        except ValueError as error:
            raise _row_error(path, raw, str(error)) from None
        if sample.frame is not None:
            who = by_option if frame else "file" if declared_in_file else "default"
            frames.add((sample.frame, who))
    if not questions.rows:
        raise DataError("expected recorded completions, got none", path=path)
    if len(frames) > 1:
        names = sorted({name.value for name, _ in frames})
        raise DataError(f"expected one frame for all rows, got {names}; declare one", path=path)
    used, declared_by = frames.pop() if frames else (None, None)
    return RecordedFile(
        *(path, file.sha256, tuple(questions.rows), used, declared_by, file.accuracy),
        notes=(*questions.notes(), *_frame_notes(suspicious, len(file.rows))),
    )


def _row_error(path: Path, raw: RawRow, message: str) -> DataError:
    return DataError(str(RowProblem(raw.number, message, raw.line)), path=path)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    nested = value.get("question")
    return (
        {**nested, **value, "question": nested.get("question", "")}
        if isinstance(nested, dict)
        else value
    )


def _known(
    row: Mapping[str, Any], golds: Mapping[str, Sample], columns: Mapping[str, str]
) -> Sample:
    named = field_of(row, "id", columns)
    found = golds.get(str(named).strip())
    if found is None:
        got = f"none; the keys are {sorted(map(str, row))}" if named is None else repr(named)
        raise ValueError(
            f"expected the id of a sample of the data file, such as {next(iter(golds))!r}, got "
            f"{got}; --columns id=KEY names the key that has it"
        )
    return found


def _sample(
    row: Mapping[str, Any],
    number: int,
    tasks: tuple[str, ...],
    columns: Mapping[str, str],
    declared: GoldFrame | None,
    suspect: Callable[[str, str], object],
) -> Sample:
    given_id = field_of(row, "id", columns)
    gold = gold_of(row, columns)
    if isinstance(gold, dict) and isinstance(gold.get("task"), str):
        gold = {"gold": gold}  # as a run writes it: an envelope with nothing else in it
    envelope, value = framed(gold, _task(row, tasks), declared, suspect)
    if envelope.gold.task not in tasks:
        expected = " or ".join(map(repr, tasks))
        raise ValueError(f"expected a gold of task {expected}, got one of {envelope.gold.task!r}")
    envelope.gold.check()
    size = row.get("image_size") or envelope.image_size
    if size is None and row.get("width") is not None and row.get("height") is not None:
        try:
            size = [float(row["width"]), float(row["height"])]
        except (TypeError, ValueError):
            sides = short((row["width"], row["height"]))
            raise ValueError(f"expected numbers as width and height, got {sides}") from None
    more = row.get("metadata")
    image, images = _images(row, columns, envelope.gold.located)
    sample = Sample(
        id=str(number if given_id is None else given_id).strip(),
        question=question_of(row, columns),
        expression=row.get("expression") or row.get("normal_caption"),
        gold=envelope.gold,
        image=image,
        images=() if image is None else images,  # without one no image is the one asked about
        image_size=size,
        input_size=row.get("input_size") or envelope.input_size,
        frame=row.get("frame") or envelope.frame,
        axis_order=row.get("axis_order") or envelope.axis_order,
        metadata=envelope.metadata | (more if isinstance(more, dict) else {}),
    )
    looked_at(sample.gold, value, sample.image_size, _TOLERANCE, suspect)
    return sample


def _frame_notes(suspicious: Sequence[RowProblem], rows: int) -> list[str]:
    if not suspicious:
        return []
    return [
        f"WARNING: {len(suspicious)} of {rows} golds look as if their frame were another one; the "
        f"first: {suspicious[0]}"
    ]


def _images(
    row: Mapping[str, Any], columns: Mapping[str, str], located: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The names of the image that the gold lies in, and of all where there are several.

    Images of which the row has only the bytes have no name.
    """
    value = field_of(row, "image", columns)
    found = [i.get("path") if isinstance(i, dict) else i for i in _listed(value)]
    names = tuple(i for i in found if isinstance(i, str) and i and not i.startswith("data:"))
    if len(names) < len(found) or not names:
        return None, ()
    index = row.get("image_index", None if located and len(names) > 1 else 0)
    image = names[index] if type(index) is int and 0 <= index < len(names) else None
    return image, names if len(names) > 1 else ()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _task(row: Mapping[str, Any], tasks: tuple[str, ...]) -> str:
    """Which task a bare gold is of: the one that the row names, if it is one of these."""
    named = row.get("task")
    return named if named in tasks else tasks[0]


def _with_frame(
    sample: Sample,
    frame: Frame | None,
    family: ModelFamily | None,
    axis_order: AxisOrder | None,
) -> Sample:
    used = frame or sample.frame or Frame.ORIGINAL_PX
    input_size: Size | None = sample.input_size
    if input_size is None and family is not None and sample.image_size is not None:
        input_size = family.input_size(sample.image_size)
    used.check_sizes(sample.image_size, input_size)
    order = axis_order or sample.axis_order or (family.axis_order if family else None)
    return sample.model_copy(update={"frame": used, "input_size": input_size, "axis_order": order})
