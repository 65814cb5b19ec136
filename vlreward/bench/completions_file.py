"""Reads recorded completions with their golds, from the files of benchmarks and of trainers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlreward._text import first_problem, short
from vlreward.answer_frames import UNDECLARED, AnswerFrames, assumed_text, needs_seen
from vlreward.bench.recorded_files import recorded_rows
from vlreward.bench.recorded_keys import PLACES, field_of, replies_of, verdict_of
from vlreward.bench.recorded_questions import Questions, Recorded
from vlreward.bench.recorded_samples import recorded_sample, sample_in_data
from vlreward.bench.verdicts import recorded_accuracy
from vlreward.data.columns import has, parse_columns
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.images import ImageSource
from vlreward.data.rows import RawRow
from vlreward.data.suspicious import suspicious_rows
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.gold_frames import GoldFrame
from vlreward.resizing import Resizing
from vlreward.types import Sample

__all__ = ["Recorded", "RecordedFile", "read_recorded"]


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
    """Who declared the frame: `option`, `model family`, `file` or `default`; `file` only if no row
    needed another."""
    accuracy: float | None
    """The accuracy that the file itself records, as a fraction; None if it records none, or (as
    `notes` say) its unit cannot be told."""
    resizing: Resizing | None = None
    """How images were taken to be resized, where coordinates rest on it and rows do not say."""
    assumed: int = 0
    """Rows of images that recipes commonly show smaller than these limits, which nobody declared
    but the family's own processor."""
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
    frames: AnswerFrames = UNDECLARED,
    golds: Mapping[str, Sample] | None = None,
    columns: str | Mapping[str, str] | None = None,
    in_data: Collection[str] = (),
    gold_frame: str | GoldFrame | None = None,
    images: ImageSource | None = None,
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
        frames: How predicted coordinates were written, for rows and envelopes that do not say;
            the frame is `original_px` if nothing says one. The notes say where the size at which
            images were seen matters and was not declared.
        golds: Samples by id, for files that hold no golds.
        columns: Keys by what is read from them, in place of the usual ones: `completion`, `gold`,
            `gold_frame`, `question`, `image`, `width`, `height`, `id`, `correct`; `a.b` is the
            field `b` of the object `a`.
        gold_frame: Frame of the golds' coordinates; a frame in the row wins. Pixels of the
            original image by default; golds that look otherwise are said in the notes.
        in_data: Fields of `columns` that were read from the file of `golds`; the rows need not
            have them.
        images: Where images are, for sizes that a frame needs and the rows do not say.

    Raises:
        DataError: If the file is missing, empty or of another format, or a row lacks something;
            names the row, what was expected and what was found.
        ImportError: If the format needs an extra that is missing.
        OptionError: If `columns` or `gold_frame` say what there is not.
    """
    columns = parse_columns(columns, tuple(PLACES))
    of_golds = None if gold_frame is None else GoldFrame.parse(gold_frame)
    file = recorded_rows(path)
    columns = _present(columns, file.rows, in_data, path)
    usual = frames.frame_of(None)
    said_by = "option" if frames.frame else "default" if usual is None else "model family"
    questions = Questions()
    used: dict[Frame, Counter[str]] = {}
    own: Counter[Frame] = Counter()
    suspicious: list[RowProblem] = []
    assumed, resized = 0, False
    for raw in file.rows:

        def suspect(what: str, fit: str, raw: RawRow = raw) -> None:
            suspicious.append(raw.problem(what, "suspicious", fit))

        try:
            row = _object(raw.value)
            replies = replies_of(row, columns)
            if golds is not None:
                sample, said = sample_in_data(row, golds, columns, frames, images)
            else:
                sample, said = recorded_sample(
                    row, raw.number, (task, *also), columns, of_golds, suspect, frames, images
                )
            if sample.gold.located:
                if said.frame is not None and usual not in (None, said.frame):
                    own[said.frame] += 1
                if said.input_size is None and needs_seen(sample):
                    resized = True
                    assumed += frames.assumes(None, sample.input_size)
            named = field_of(row, "id", columns) is not None
            questions.add(raw, sample, replies, verdict_of(row, columns), row, named=named)
        except ValidationError as error:
            raise DataError(str(raw.problem(first_problem(error))), path=path) from None
        except ValueError as error:
            raise DataError(str(raw.problem(str(error))), path=path) from None
        if sample.frame is not None:
            used.setdefault(sample.frame, Counter())["file" if said.frame else said_by] += 1
    if not questions.rows:
        raise DataError("expected recorded completions, got none", path=path)
    if len(used) > 1:
        names = sorted(name.value for name in used)
        remedy = (
            f"{sum(own.values())} rows declare their own, which wins: score them apart"
            if own
            else "declare one"
        )
        raise DataError(f"expected one frame for all rows, got {names}; {remedy}", path=path)
    frame, by = next(iter(used.items()), (None, Counter[str]()))
    n = len(file.rows)
    notes = [*file.notes, *questions.notes()]
    if (doubt := suspicious_rows(suspicious, n)) is not None:
        notes.append(f"WARNING: {doubt}")
    if by["file"] and by["default"]:
        notes.append(f"{by['default']} of {n} rows lack the frame that the others declare")
    notes += [
        f"WARNING: {rows} of {n} rows declare the frame {name.value} themselves: it is used, and "
        f"not {usual.value} of the {said_by}"
        for name, rows in own.items()
        if usual is not None
    ]
    accuracy = recorded_accuracy(file.accuracy, [row.correct for row in questions.rows])
    if accuracy is None and file.accuracy is not None:
        notes.append(
            f"the file records the accuracy {short(file.accuracy)}: its rows do not tell whether "
            "it is a fraction or per cent, so it is compared with nothing"
        )
    if assumed:
        notes.append(f"WARNING: {assumed_text(assumed, 'the model')}")
    return RecordedFile(
        path=path,
        sha256=file.sha256,
        rows=tuple(questions.rows),
        frame=frame,
        frame_declared_by=said_by if by[said_by] else "file" if by else None,
        accuracy=accuracy,
        resizing=frames.limits if resized else None,
        assumed=assumed,
        notes=tuple(notes),
    )


def _present(
    columns: dict[str, str], rows: Sequence[RawRow], in_data: Collection[str], path: Path
) -> dict[str, str]:
    """The columns that any row has.

    Raises:
        OptionError: If no row has one that the data do not have either.
    """
    objects = [raw.value for raw in rows if isinstance(raw.value, Mapping)]
    kept = {}
    for field, name in columns.items():
        if any(has(row, name) for row in objects):
            kept[field] = name
        elif field not in in_data and objects:
            keys = sorted({str(key) for row in objects for key in row})
            raise OptionError(
                f"--columns {field}={name}: no row of {path} has it; the keys are {keys}"
            )
    return kept


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    nested = value.get("question")
    return (
        {**nested, **value, "question": nested.get("question", "")}
        if isinstance(nested, dict)
        else value
    )
