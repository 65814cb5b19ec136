"""`pack_file`: a data set with one more column, the gold of each row as one string."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError, RowProblem
from vlreward.files import replacing
from vlreward.frames import AxisOrder, Frame, MissingSizeError, ModelFamily
from vlreward.golds import pack
from vlreward.types import Sample

__all__ = ["Packed", "pack_file"]

_JSONL = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    path: Path
    """The file."""
    rows: int
    """Rows written: as many as were read."""
    tasks: dict[str, int]
    """Rows of each task."""
    example: str
    """The first envelope."""


def pack_file(
    source: Path,
    target: Path,
    *,
    column: str = "ground_truth",
    overwrite_column: bool = False,
    task: str | None = None,
    schema: str | None = None,
    frame: Frame | None = None,
    axis_order: AxisOrder | None = None,
    family: ModelFamily | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    image_root: Path | None = None,
    flat_images: bool = False,
    check_gold: Callable[[str], object] | None = None,
) -> Packed:
    """Add gold envelopes to a data set, for trainers that hand a reward nothing else.

    The rows, their order and their other columns stay as they are. The target appears only when it
    is complete.

    Args:
        source: A `.json` list, `.jsonl` or `.parquet`, in any schema that `vlreward.data.load`
            reads. Parquet needs the extra `data`.
        target: `.jsonl` or `.parquet`.
        column: Name of the column; `a.b` is the field `b` of the object `a`, such as verl's
            `reward_model.ground_truth`.
        overwrite_column: Replace a column of that name.
        task: Task of the golds, where the data does not tell.
        schema: Name of the schema, where the keys do not tell.
        frame: Frame of the coordinates that the model writes; needed for golds that lie in the
            image, unless `family` says.
        axis_order: Which coordinate of a pair the model writes first, if not as `family` says.
        family: Model family, for the frame, the order of the axes and the resized size.
        min_pixels: Smallest area in pixels of the resized image, if not the family's default.
        max_pixels: Largest area in pixels of the resized image, if not the family's default.
        image_root: Directory of the images; sizes that rows lack are read from them.
        flat_images: Look for every image directly in `image_root`.
        check_gold: As in `vlreward.data.load`.

    Raises:
        DataError: If a row is bad or lacks a size, or nothing says in which frame coordinates
            are; names the file and the rows.
        ImportError: If Parquet is asked for without the extra `data`.
    """
    from vlreward.data import load

    _check_names(source, target)
    used = frame or (family.frame if family else None)
    order = axis_order or (family.axis_order if family else None)
    dataset = load(
        source,
        task=task,
        schema=schema,
        image_root=image_root,
        flat_images=flat_images,
        read_sizes=image_root is not None,
        check_gold=check_gold,
    )
    if len(dataset) != dataset.provenance.rows:
        raise DataError(
            f"expected every row as a sample, got {len(dataset)} of {dataset.provenance.rows}",
            path=source,
        )
    envelopes: list[str] = []
    tasks: dict[str, int] = {}
    problems: list[RowProblem] = []
    for row, sample in zip(dataset.row_numbers, dataset):
        tasks[sample.task] = tasks.get(sample.task, 0) + 1
        try:
            envelopes.append(pack(_declared(sample, used, order, family, min_pixels, max_pixels)))
        except ValueError as error:
            problems.append(RowProblem(row, str(error)))
    if problems:
        raise DataError(f"{len(problems)} rows cannot be packed", path=source, problems=problems)
    if source.suffix.lower() == ".parquet":
        _write_parquet(source, target, column, envelopes, overwrite_column)
    else:
        _write_rows(source, target, column, envelopes, overwrite_column)
    return Packed(target, len(envelopes), tasks, envelopes[0])


def _check_names(source: Path, target: Path) -> None:
    readable = (".json", *_JSONL, ".parquet")
    if source.suffix.lower() not in readable or not source.is_file():
        raise DataError(f"expected a file that ends in one of {', '.join(readable)}", path=source)
    kinds = (*_JSONL, ".parquet")
    if target.suffix.lower() not in kinds:
        raise DataError(f"expected a name that ends in one of {', '.join(kinds)}", path=target)
    if target.exists() and target.samefile(source):
        raise DataError("expected another file than the one that is read", path=target)
    if not target.parent.is_dir():
        raise DataError("expected a directory to write into", path=target.parent)


def _declared(
    sample: Sample,
    frame: Frame | None,
    order: AxisOrder | None,
    family: ModelFamily | None,
    min_pixels: int | None,
    max_pixels: int | None,
) -> Sample:
    """The sample with the frame of predicted coordinates, and the sizes that it needs."""
    if not sample.gold.located:
        return sample
    used = frame or sample.frame
    if used is None:
        raise ValueError(
            "nothing says in which frame the model writes coordinates: declare it with --frame or "
            f"--family (frames: {', '.join(f.value for f in Frame)})"
        )
    input_size = sample.input_size
    if input_size is None and family is not None and sample.image_size is not None:
        input_size = family.input_size(
            sample.image_size, min_pixels=min_pixels, max_pixels=max_pixels
        )
    try:
        used.check_sizes(sample.image_size, input_size)
    except MissingSizeError as error:
        remedy = "--image-root" if error.missing == "image_size" else "--family"
        raise ValueError(f"{error}: the row does not say it, give {remedy}") from None
    needed = input_size if used is Frame.INPUT_PX else sample.input_size
    return sample.model_copy(
        update={"frame": used, "input_size": needed, "axis_order": order or sample.axis_order}
    )


def _placed(
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
    if name in parent and not overwrite:
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
    source: Path, target: Path, column: str, envelopes: list[str], overwrite: bool
) -> None:
    from vlreward.data.rows import RowFile

    def rows() -> Iterator[dict[str, Any]]:
        for raw, envelope in zip(RowFile(source), envelopes, strict=True):
            yield _placed(raw.value, column, envelope, raw.number, overwrite, source)

    if target.suffix.lower() == ".parquet":
        pa, pq = _pyarrow()
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
            file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace"))
            file.write(b"\n")


def _write_parquet(
    source: Path, target: Path, column: str, envelopes: list[str], overwrite: bool
) -> None:
    pa, pq = _pyarrow()
    table = pq.read_table(source)
    if target.suffix.lower() != ".parquet":
        raise DataError("expected a name that ends in .parquet, as the source does", path=target)
    outer, dot, inner = column.partition(".")
    values = pa.array(envelopes, pa.string())
    exists = outer in table.column_names
    if dot:
        fields = {}
        if exists:
            kind = table.schema.field(outer).type
            if not pa.types.is_struct(kind):
                raise DataError(f"{outer!r}: expected objects, got {kind}", path=source)
            whole = table.column(outer).combine_chunks()
            fields = {f.name: whole.field(i) for i, f in enumerate(kind)}
        exists = inner in fields
        fields[inner] = values
        values = pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
    if exists and not overwrite:
        raise DataError(
            f"there is a column {column!r} already: choose another with --column, or replace it "
            "with --overwrite-column",
            path=source,
        )
    if outer in table.column_names:
        table = table.set_column(table.column_names.index(outer), outer, values)
    else:
        table = table.append_column(outer, values)
    # What `datasets` writes into the metadata would contradict the new column.
    kept = {k: v for k, v in (table.schema.metadata or {}).items() if k != b"huggingface"}
    features = (table.schema.metadata or {}).get(b"huggingface")
    if features is not None:
        kept[b"huggingface"] = _with_feature(features, outer, inner)
    table = table.replace_schema_metadata(kept)
    with replacing(target, "wb") as file:
        pq.write_table(table, file)


def _with_feature(metadata: bytes, outer: str, inner: str) -> bytes:
    """The description of the columns that `datasets` keeps, with the new one in it."""
    described = json.loads(metadata)
    features = described.setdefault("info", {}).setdefault("features", {})
    text = {"dtype": "string", "_type": "Value"}
    if inner:
        parent = features.get(outer)
        features[outer] = {**(parent if isinstance(parent, dict) else {}), inner: text}
    else:
        features[outer] = text
    return json.dumps(described).encode()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"Parquet needs the extra 'data' ({error}): pip install 'vlreward[data]'"
        ) from error
    return pyarrow, pyarrow.parquet
