"""From raw rows to a data set: golds checked, images looked for, every problem with its row."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from vlreward._text import first_problem, short
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import BadRow, DataError, RowProblem
from vlreward.data.images import ImageSource, image_size
from vlreward.data.inference import fields_of, task_of_rows
from vlreward.data.manifest import split_remarks
from vlreward.data.rows import RawRow
from vlreward.data.schemas import schema_of, task_of_schema
from vlreward.geometry import Size
from vlreward.golds import Envelope, claimant, unpack
from vlreward.schema import Fields, Schema
from vlreward.types import Gold, Sample

__all__ = ["RowReader", "RowSource"]


class RowSource(Protocol):
    """Rows, and a digest of them once all have been read."""

    sha256: str

    def __iter__(self) -> Iterator[RawRow]: ...


@dataclass(slots=True)
class RowReader:
    """Reads one source; see `vlreward.data.load` for the fields. Use it once."""

    path: str | Path
    name: str
    schema: Schema | None
    task: str | None
    images: ImageSource | None
    on_bad_gold: Literal["error", "skip"]
    read_sizes: bool
    box_tolerance: float
    check_gold: Callable[[str], object] | None
    _rows: int = field(default=0, init=False)
    _problems: list[RowProblem] = field(default_factory=list, init=False)
    _skipped: list[RowProblem] = field(default_factory=list, init=False)
    _notes: list[RowProblem] = field(default_factory=list, init=False)
    _row_of_id: dict[str, int] = field(default_factory=dict, init=False)
    _kept: array[int] = field(default_factory=lambda: array("q"), init=False)
    _sizes: dict[str, Size | None] = field(default_factory=dict, init=False)
    _checked: dict[str, str | None] = field(default_factory=dict, init=False)

    def dataset(self, source: RowSource) -> Dataset:
        """Read everything.

        Raises:
            DataError: If the source is bad; see `vlreward.data.load`.
        """
        rows = iter(source)
        first = next(rows, None)
        if first is None:
            raise DataError("expected rows, got none", path=self.path)
        if not isinstance(first.value, dict):
            bad = BadRow(f"expected an object, got {short(first.value)}")
            raise self._error([_problem(first, bad)])
        schema = self.schema or schema_of(first.value, path=self.path)
        every: Iterable[RawRow] = chain([first], rows)
        typed = None
        task = task_of_schema(schema) if self.task is None else self.task
        if task is None and schema.typed:
            try:
                gold = fields_of(first, schema).gold
                task = typed = claimant(gold, typed=True)
                if task is None:
                    raise BadRow(
                        f"gold: expected a whole number or a text, got {short(gold)}", "bad_gold"
                    )
            except BadRow as bad:
                raise self._error([_problem(first, bad)]) from None
        elif task is None:
            every = list(every)
            task = task_of_rows(schema, every, self.path)
        dataset = Dataset(
            self.name,
            self._samples(every, schema, task, typed is not None),
            Provenance(str(self.path), schema.name, "", 0, task),
            self.images,
        )
        dataset.row_numbers = self._kept
        dataset.provenance = replace(
            dataset.provenance,
            sha256=source.sha256,
            rows=self._rows,
            skipped=tuple(self._skipped),
            notes=tuple(self._notes),
            remarks=split_remarks(self.name, self._rows),
        )
        return dataset

    def _samples(
        self, rows: Iterable[RawRow], schema: Schema, task: str, typed: bool
    ) -> Iterator[Sample]:
        for raw in rows:
            self._rows += 1
            try:
                sample = self._sample(raw, schema, task, typed)
            except BadRow as bad:
                skip = bad.kind == "bad_gold" and self.on_bad_gold == "skip"
                (self._skipped if skip else self._problems).append(_problem(raw, bad))
            else:
                self._kept.append(raw.number)
                yield sample
        if self._problems:
            raise self._error(self._problems)
        if len(self._skipped) == self._rows:
            raise DataError(
                f"no row is left, all {self._rows} were skipped",
                path=self.path,
                problems=self._skipped,
            )

    def _sample(self, raw: RawRow, schema: Schema, task: str, typed: bool) -> Sample:
        fields = fields_of(raw, schema)
        task = fields.task or task
        if typed and (kind := claimant(fields.gold, typed=True)) != task:
            raise BadRow(
                f"mixed types: expected a gold for {task} as in the first row, got "
                f"{short(fields.gold)}, which is for {kind}; name the task to accept both",
                "bad_gold",
            )
        envelope = self._gold(fields.gold, task)
        if fields.image is not None and (
            not isinstance(fields.image, str) or not fields.image.strip()
        ):
            raise BadRow(f"expected the path of an image, got {short(fields.image)}")
        sample_id = f"{self.name}/{raw.number}" if fields.id is None else fields.id.strip()
        before = self._row_of_id.setdefault(sample_id, raw.number)
        if before != raw.number:
            raise BadRow(f"expected ids that differ, got {sample_id!r} as in row {before}")
        size = self._size(raw, fields) or envelope.image_size
        if size is not None:
            self._look_at(raw, envelope.gold, size)
        try:
            sample = Sample(
                id=sample_id,
                question=fields.question,
                expression=fields.expression,
                gold=envelope.gold,
                image=fields.image,
                image_size=size,
                input_size=envelope.input_size,
                frame=envelope.frame,
                axis_order=envelope.axis_order,
                metadata={**envelope.metadata, **(fields.metadata or {})},
            )
            sample.model_dump_json()  # half of a surrogate pair passes validation, but not this
        except ValidationError as error:
            raise BadRow(first_problem(error)) from None
        except PydanticSerializationError as error:
            raise BadRow(f"expected Unicode text: {error}") from None
        return sample

    def _gold(self, value: Any, task: str) -> Envelope:
        try:
            envelope = unpack(value, task)
        except ValueError as error:
            raise BadRow(f"gold: {error}", "bad_gold") from None
        gold = envelope.gold
        if gold.task != task:
            raise BadRow(f"gold: expected one for {task}, got one for {gold.task}", "bad_gold")
        self._check(gold)
        return envelope

    def _check(self, gold: Gold) -> None:
        if self.check_gold is None and type(gold).check is Gold.check:
            return
        key = gold.text()
        if key not in self._checked:
            try:
                gold.check() if self.check_gold is None else self.check_gold(key)
                self._checked[key] = None
            except ValueError as error:
                self._checked[key] = str(error)
        if (message := self._checked[key]) is not None:
            raise BadRow(f"gold: {message}", "bad_gold")

    def _size(self, raw: RawRow, fields: Fields) -> Size | None:
        declared = None
        if fields.image_size is not None:
            try:
                declared = Size.from_sequence(fields.image_size)
            except ValueError as error:
                raise BadRow(f"width, height: {error}") from None
        if not self.read_sizes or fields.image is None or self.images is None:
            return declared
        name = fields.image
        if name not in self._sizes:
            try:
                source = self.images.source(name)
                there = isinstance(source, bytes) or source.is_file()
                self._sizes[name] = image_size(source) if there else None  # reported elsewhere
            except DataError as error:
                raise BadRow(str(error)) from None
        size = self._sizes[name]
        if size is None:
            return declared
        if declared is not None and declared != size:
            self._note(raw, f"declared {tuple(declared)}, but the image {name!r} has {tuple(size)}")
        return size

    def _look_at(self, raw: RawRow, gold: Gold, size: Size) -> None:
        try:
            remark = gold.remark(size, self.box_tolerance)
        except ValueError as error:
            raise BadRow(f"gold: {error}", "bad_gold") from None
        if remark is not None:
            self._note(raw, remark)

    def _note(self, raw: RawRow, message: str) -> None:
        self._notes.append(RowProblem(raw.number, message, raw.line, "note"))

    def _error(self, problems: list[RowProblem]) -> DataError:
        golds = sum(p.kind == "bad_gold" for p in problems)
        hint = "; on_bad_gold='skip' leaves bad golds out" if golds else ""
        return DataError(
            f"expected good rows, got {len(problems)} bad{hint}", path=self.path, problems=problems
        )


def _problem(raw: RawRow, bad: BadRow) -> RowProblem:
    return RowProblem(raw.number, str(bad), raw.line, bad.kind)
