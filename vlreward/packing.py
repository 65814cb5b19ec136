"""`pack_file`: a data set with one more column, the gold of each row as one string."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vlreward.answer_frames import UNDECLARED, AnswerFrames
from vlreward.data.dataset import Provenance
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.hub import needed
from vlreward.data.loaders import load, open_rows
from vlreward.data.rows import JSONL_SUFFIXES
from vlreward.data.tables import TABLE_SUFFIXES
from vlreward.files import replacing
from vlreward.frames import Frame, MissingSizeError
from vlreward.geometry import Size
from vlreward.golds import pack
from vlreward.types import Sample

__all__ = ["Packed", "pack_file"]

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    path: Path
    """The file."""
    column: str
    """The column that holds the envelopes."""
    rows: int
    """Rows written."""
    tasks: dict[str, int]
    """Rows of each task."""
    example: str
    """The first envelope."""
    read: Provenance
    """How the source was read: its schema, the rows left out on request, what looks suspicious."""
    assumed: int = 0
    """Rows whose images are larger than recipes commonly show them, and taken to be shown as the
    family's own processor does."""


def pack_file(
    source: Path,
    target: Path,
    *,
    column: str | None = None,
    overwrite_column: bool = False,
    frames: AnswerFrames = UNDECLARED,
    image_root: Path | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    **options: Any,
) -> Packed:
    """Add gold envelopes to a data set, for trainers that hand a reward nothing else.

    The rows, their order and their other columns stay as they are, but for rows that `options`
    leave out. The target appears only when it is complete.

    Args:
        source: A `.json` list, `.jsonl`, a table or `.parquet`, in any schema that
            `vlreward.data.load` reads. Parquet needs the extra `data`.
        target: `.jsonl` or `.parquet`.
        column: Name of the column; `a.b` is the field `b` of the object `a`. By default where the
            trainer that reads such rows looks: `reward_model.ground_truth` for verl, `answer` for
            EasyR1, `solution` for ms-swift and TRL, else `ground_truth`. The gold that is read
            from there is replaced.
        overwrite_column: Replace another column of that name.
        frames: How the model writes coordinates: frame and axis order whatever rows declare, the
            family for rows that declare none and for the resized size. Needed for golds that lie
            in the image, unless rows say it.
        image_root: Directory of the images; sizes that rows lack are read from them.
        on_bad_image: `error`, or `skip` for rows whose image the family refuses, and as in `load`.
        **options: Passed on to `vlreward.data.load`.

    Raises:
        DataError: If a row is bad or lacks a size, or nothing says in which frame coordinates
            are; names the file and the rows.
        ImportError: If Parquet is asked for without the extra `data`.
    """
    frames = replace(frames, over_rows=True)
    _check_names(source, target)
    dataset = load(
        source,
        image_root=image_root,
        read_sizes=image_root is not None,
        on_bad_image=on_bad_image,
        **options,
    )
    envelopes: dict[int, str] = {}
    tasks: dict[str, int] = {}
    problems: list[RowProblem] = []
    refused: list[RowProblem] = []
    assumed = 0
    for row, sample in zip(dataset.row_numbers, dataset):
        located, own = sample.gold.located, sample.input_size
        try:
            seen = frames.seen(own, sample.image_size) if located else None
        except ValueError as error:
            bad = refused if on_bad_image == "skip" else problems
            bad.append(RowProblem(row, str(error), kind="bad_image"))
            continue
        try:
            sample = _placed(sample, frames, seen) if located else sample
            envelopes[row] = pack(sample)
        except ValueError as error:
            problems.append(RowProblem(row, str(error)))
            continue
        assumed += sample.frame is Frame.INPUT_PX and frames.assumes(own, seen)
        tasks[sample.task] = tasks.get(sample.task, 0) + 1
    if problems or not envelopes:
        raise DataError(
            f"{len(problems or refused)} rows cannot be packed",
            path=source,
            problems=problems or refused,
        )
    origin = dataset.provenance
    origin = replace(origin, skipped=(*origin.skipped, *refused))
    place = column or origin.gold_at
    overwrite = overwrite_column or (column is None and place == origin.columns.get("gold"))
    write = _write_parquet if source.suffix.lower() == ".parquet" else _write_rows
    write(source, target, place, envelopes, overwrite)
    first = next(iter(envelopes.values()))
    return Packed(target, place, len(envelopes), tasks, first, origin, assumed)


def _check_names(source: Path, target: Path) -> None:
    readable = (".json", *JSONL_SUFFIXES, *TABLE_SUFFIXES, ".parquet")
    if not source.exists():
        raise DataError("expected a file, found no such file", path=source)
    if source.suffix.lower() not in readable or not source.is_file():
        raise DataError(f"expected a file that ends in one of {', '.join(readable)}", path=source)
    kinds = (*JSONL_SUFFIXES, ".parquet")
    if target.suffix.lower() not in kinds:
        raise DataError(f"expected a name that ends in one of {', '.join(kinds)}", path=target)
    if target.exists() and target.samefile(source):
        raise DataError("expected another file than the one that is read", path=target)
    if not target.parent.is_dir():
        raise DataError("expected a directory to write into", path=target.parent)


def _placed(sample: Sample, frames: AnswerFrames, seen: Size | None) -> Sample:
    """The sample with what holds of predicted coordinates, and the sizes that their frame needs."""
    frame = frames.frame_of(sample.frame)
    if frame is None:
        raise ValueError(
            "nothing says in which frame the model writes coordinates: declare it with --frame or "
            f"--family (frames: {', '.join(Frame)})"
        )
    try:
        frame.check_sizes(sample.image_size, seen)
    except MissingSizeError as error:
        remedy = "--image-root" if error.missing == "image_size" else "--family"
        raise ValueError(f"{error}: the row does not say it, give {remedy}") from None
    used = {"frame": frame, "axis_order": frames.order_of(sample.axis_order)}
    sized = {"input_size": seen} if frame is Frame.INPUT_PX else {}
    return sample.model_copy(update=used | sized)


def _written(
    row: dict[str, Any], column: str, value: str, number: int, overwrite: bool, source: Path
) -> dict[str, Any]:
    """The row with the envelope in its place."""
    outer, dot, inner = column.partition(".")
    parent = row.get(outer) if dot else row
    if dot and parent is None:
        parent = {}
    if not isinstance(parent, dict):
        problem = RowProblem(number, f"{outer!r}: expected an object, got {type(parent).__name__}")
        raise DataError(f"cannot write {column!r}", path=source, problems=[problem])
    name = inner if dot else column
    if parent.get(name) is not None and not overwrite:
        problem = RowProblem(number, f"{column!r} is there already")
        raise DataError(
            "expected a new column: choose another with --column, or replace it with "
            "--overwrite-column",
            path=source,
            problems=[problem],
        )
    made = {**parent, name: value}
    return {**row, outer: made} if dot else made


def _write_rows(
    source: Path, target: Path, column: str, envelopes: dict[int, str], overwrite: bool
) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for raw in open_rows(source):
            if (envelope := envelopes.get(raw.number)) is not None:
                yield _written(raw.value, column, envelope, raw.number, overwrite, source)

    if target.suffix.lower() == ".parquet":
        pa, pq = _pyarrow(target)
        try:
            table = pa.Table.from_pylist(list(rows()))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"the rows have values of different types: {error}; write .jsonl", path=source
            ) from None
        with replacing(target, "wb") as file:
            pq.write_table(table, file)
        return
    with replacing(target, "wb") as file:
        for row in rows():
            line = json.dumps(row, ensure_ascii=False, default=str)  # a spreadsheet has dates
            file.write(line.encode("utf-8", "backslashreplace"))
            file.write(b"\n")


def _write_parquet(
    source: Path, target: Path, column: str, envelopes: dict[int, str], overwrite: bool
) -> None:
    """Batch by batch: the pixels of a whole file need not fit into memory."""
    pa, pq = _pyarrow(source)
    if target.suffix.lower() != ".parquet":
        raise DataError("expected a name that ends in .parquet, as the source does", path=target)
    outer, dot, inner = column.partition(".")
    with pq.ParquetFile(source) as file, replacing(target, "wb") as out:
        schema = file.schema_arrow
        place = schema.get_field_index(outer)
        kind = pa.string()
        if dot:
            old = schema.field(place).type if place >= 0 else pa.struct([])
            fields = {f.name: f.type for f in old} if pa.types.is_struct(old) else {}
            kind = pa.struct({**fields, inner: kind}.items())
        made = pa.field(outer, kind)
        schema = schema.append(made) if place < 0 else schema.set(place, made)
        schema = schema.with_metadata(_described(schema.metadata or {}, outer, inner))
        first = 1
        with pq.ParquetWriter(out, schema) as writer:
            for batch in file.iter_batches(_BATCH):
                numbers = [n for n in range(first, first + batch.num_rows) if n in envelopes]
                table = pa.Table.from_batches([batch]).take([n - first for n in numbers])
                first += batch.num_rows
                before = table.select([outer]).to_pylist() if place >= 0 else [{}] * len(table)
                values = [
                    _written(row, column, envelopes[n], n, overwrite, source)[outer]
                    for n, row in zip(numbers, before)
                ]
                arrays = dict(zip(table.column_names, table.columns))
                arrays[outer] = pa.array(values, kind)
                writer.write_table(pa.table(arrays, schema=schema))


def _described(metadata: dict[bytes, bytes], outer: str, inner: str) -> dict[bytes, bytes]:
    """The metadata of a file with the new column in the description that `datasets` keeps there."""
    if b"huggingface" not in metadata:
        return metadata
    described = json.loads(metadata[b"huggingface"])
    features = described.setdefault("info", {}).setdefault("features", {})
    text = {"dtype": "string", "_type": "Value"}
    if inner:
        parent = features.get(outer)
        features[outer] = {**(parent if isinstance(parent, dict) else {}), inner: text}
    else:
        features[outer] = text
    return {**metadata, b"huggingface": json.dumps(described).encode()}


def _pyarrow(path: Path) -> tuple[Any, Any]:
    return needed("pyarrow", path), needed("pyarrow.parquet", path)
