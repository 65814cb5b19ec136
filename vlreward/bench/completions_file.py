"""Reads recorded completions: result files of VLM-R1 and R1-V, JSON Lines, VLMEvalKit tables."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlreward._text import first_problem, short
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.rows import JSONL_SUFFIXES, RawRow, RowFile
from vlreward.frames import AxisOrder, Frame, ModelFamily
from vlreward.geometry import Size
from vlreward.golds import unpack
from vlreward.types import Completion, Sample

__all__ = ["Recorded", "RecordedFile", "read_recorded"]

_COMPLETION = ("completion", "model_output", "prediction", "response", "output")
_GOLD = ("gold", "ground_truth", "solution", "answer")
_IMAGE = ("image", "image_path", "image_name")
_ID = ("id", "index")
_MAX_CELL = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded completion with the sample that it answers."""

    sample: Sample
    """The sample, with its gold."""
    completion: Completion
    """What the model wrote."""
    correct: bool | None = None
    """The verdict of whoever recorded it, if the file has one."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """The rows of one file, and what was assumed in reading it."""

    path: Path
    """The file."""
    sha256: str
    """Hex digest of its bytes."""
    rows: tuple[Recorded, ...]
    """At least one row."""
    frame: Frame | None
    """Frame of predicted coordinates, the same for all rows; None if they have none."""
    frame_declared_by: str | None
    """Who declared the frame: `option`, `model family`, `file` or `default`."""
    accuracy: float | None
    """The accuracy that the file itself records, as a fraction; None if it records none."""


def read_recorded(
    path: Path,
    task: str,
    *,
    also: Sequence[str] = (),
    frame: Frame | None = None,
    family: ModelFamily | None = None,
    axis_order: AxisOrder | None = None,
    golds: Mapping[str, Sample] | None = None,
) -> RecordedFile:
    """Read a file of recorded completions.

    Args:
        path: `.json` with a list or with `results`, `.jsonl`, or `.tsv` with a header. A row has a
            completion (`completion`, `model_output`, `prediction`, `response` or `output`), a
            gold (`gold`, `ground_truth`, `solution` or `answer`), and where known `id` or
            `index`, `task`, `question`, `image`, `image_size` or `width` and `height`,
            `input_size`, `frame`, `axis_order`, `metadata`, `truncated` or `finish_reason`.
        task: Task of rows that do not name theirs.
        also: Further tasks that rows may name.
        frame: Frame of predicted coordinates, in place of what the rows say; `original_px` if
            neither says one.
        family: Model family, for the frame, the order of the axes and input sizes.
        axis_order: Which coordinate of a predicted pair comes first, in place of what rows and
            family say.
        golds: Samples by id, for files that hold no golds.

    Raises:
        DataError: If the file is missing, empty or of another format, or a row lacks something;
            names the row, what was expected and what was found.
    """
    if not path.is_file():
        raise DataError("expected a file of recorded completions, found no such file", path=path)
    rows, digest, accuracy = _raw_rows(path)
    by_option = "option"
    if frame is None and family is not None:
        frame, by_option = family.frame, "model family"
    recorded: list[Recorded] = []
    frames: set[tuple[Frame, str]] = set()
    seen: set[str] = set()
    for raw in rows:
        try:
            row, declared_in_file = _row(raw, (task, *also), frame, family, axis_order, golds)
            if row.sample.id in seen:
                raise ValueError(f"expected ids that differ, got {row.sample.id!r} again")
        except ValidationError as error:
            raise _row_error(path, raw, first_problem(error)) from None
        except ValueError as error:
            raise _row_error(path, raw, str(error)) from None
        seen.add(row.sample.id)
        if row.sample.frame is not None:
            who = by_option if frame else "file" if declared_in_file else "default"
            frames.add((row.sample.frame, who))
        recorded.append(row)
    if not recorded:
        raise DataError("expected recorded completions, got none", path=path)
    if len(frames) > 1:
        names = sorted({name.value for name, _ in frames})
        raise DataError(f"expected one frame for all rows, got {names}; declare one", path=path)
    used, declared_by = frames.pop() if frames else (None, None)
    return RecordedFile(path, digest, tuple(recorded), used, declared_by, accuracy)


def _row_error(path: Path, raw: RawRow, message: str) -> DataError:
    return DataError(str(RowProblem(raw.number, message, raw.line)), path=path)


def _raw_rows(path: Path) -> tuple[list[RawRow], str, float | None]:
    """The rows, the hex digest of the file, and the accuracy that it records."""
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        return list(_tsv(path)), hashlib.sha256(path.read_bytes()).hexdigest(), None
    if suffix not in (".json", *JSONL_SUFFIXES):
        raise DataError("expected a .json, .jsonl or .tsv file", path=path)
    file = RowFile(path, key="results")
    rows = list(file)
    accuracy = file.about.get("accuracy")
    if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)):
        return rows, file.sha256, None
    return rows, file.sha256, accuracy / 100  # these files record percentages


def _tsv(path: Path) -> Iterator[RawRow]:
    csv.field_size_limit(_MAX_CELL)  # images in base64
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", strict=True)
            header = reader.fieldnames or []
            if "prediction" not in header:
                raise DataError(
                    f"expected a header with the column 'prediction', got {header!r}", path=path
                )
            for number, row in enumerate(reader, 1):
                if None in row or None in row.values():
                    raise _row_error(
                        path,
                        RawRow(number, row, reader.line_num),
                        f"expected {len(header)} columns as in the header, got another number",
                    )
                image = row.get("image") or ""
                cells = {
                    k: v for k, v in row.items() if v and not (k == "image" and len(image) > 512)
                }
                yield RawRow(number, {"prediction": "", **cells}, reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"expected a table of tab-separated UTF-8 text: {error}", path=path
        ) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    nested = value.get("question")
    return (
        {**nested, **value, "question": nested.get("question", "")}
        if isinstance(nested, dict)
        else value
    )


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _row(
    raw: RawRow,
    tasks: tuple[str, ...],
    frame: Frame | None,
    family: ModelFamily | None,
    axis_order: AxisOrder | None,
    golds: Mapping[str, Sample] | None,
) -> tuple[Recorded, bool]:
    row = _object(raw.value)
    text = _first(row, _COMPLETION)
    if not isinstance(text, str):
        raise ValueError(
            f"expected a completion as text in one of {', '.join(_COMPLETION)}, got {short(text)}; "
            f"the keys are {sorted(row)}"
        )
    given_id = _first(row, _ID)
    sample_id = str(raw.number if given_id is None else given_id).strip()
    known = golds.get(sample_id) if golds is not None else None
    if golds is not None and known is None:
        raise ValueError(f"expected the id of a sample of the data file, got {sample_id!r}")
    sample = known or _sample(row, sample_id, tasks)
    declared = sample.frame is not None
    if sample.gold.located:
        sample = _with_frame(sample, frame, family, axis_order)
    truncated = row.get("truncated") is True or row.get("finish_reason") == "length"
    correct = row.get("correct", row.get("is_correct"))
    count = row.get("token_count")
    completion = Completion(text, truncated, count if isinstance(count, int) else None)
    verdict = bool(correct) if isinstance(correct, (bool, int)) else None
    return Recorded(sample, completion, verdict), declared


def _sample(row: dict[str, Any], sample_id: str, tasks: tuple[str, ...]) -> Sample:
    gold = _first(row, _GOLD)
    if gold is None:
        raise ValueError(
            f"expected a gold in one of {', '.join(_GOLD)}, got none; the keys are {sorted(row)}. "
            "Add it, or name the data file with --data"
        )
    if isinstance(gold, dict) and isinstance(gold.get("task"), str):
        gold = {"gold": gold}  # as a run writes it: an envelope with nothing else in it
    envelope = unpack(gold, _task(row, tasks))
    if envelope.gold.task not in tasks:
        expected = " or ".join(map(repr, tasks))
        raise ValueError(f"expected a gold of task {expected}, got one of {envelope.gold.task!r}")
    envelope.gold.check()
    image = _first(row, _IMAGE)
    size = row.get("image_size") or envelope.image_size
    if size is None and row.get("width") is not None and row.get("height") is not None:
        try:
            size = [float(row["width"]), float(row["height"])]
        except (TypeError, ValueError):
            sides = short((row["width"], row["height"]))
            raise ValueError(f"expected numbers as width and height, got {sides}") from None
    more = row.get("metadata")
    return Sample(
        id=sample_id,
        question=row.get("question") or "",
        expression=row.get("expression") or row.get("normal_caption"),
        gold=envelope.gold,
        image=image if isinstance(image, str) else None,
        image_size=size,
        input_size=row.get("input_size") or envelope.input_size,
        frame=row.get("frame") or envelope.frame,
        axis_order=row.get("axis_order") or envelope.axis_order,
        metadata=envelope.metadata | (more if isinstance(more, dict) else {}),
    )


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
