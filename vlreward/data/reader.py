"""From raw rows to a data set: golds checked, images looked for, every problem with its row."""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from vlreward._text import first_problem, short
from vlreward.data.columns import mapped
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import BadRow, DataError, RowProblem, UnknownSchemaError
from vlreward.data.framed import framed, looked_at
from vlreward.data.image_values import RowImages
from vlreward.data.images import ImageFolder
from vlreward.data.inference import fields_of, task_of_rows
from vlreward.data.manifest import split_remarks
from vlreward.data.pictures import Pictures
from vlreward.data.rows import RawRow, RowSource
from vlreward.data.schemas import named_schema, schema_of, task_of_schema
from vlreward.data.suspicious import fits
from vlreward.data.urls import UrlImages
from vlreward.data.where import Where
from vlreward.geometry import Size
from vlreward.gold_frames import GoldFrame
from vlreward.golds import Envelope, claimant
from vlreward.schema import Fields, Schema
from vlreward.types import Gold, Sample

__all__ = ["RowReader"]

_HOW = re.compile(
    r"(bbox|box|boxes|coord|coords|coordinate|gold)_?(type|format|mode|frame)\Z", re.I
)


@dataclass(slots=True)
class RowReader:
    """Reads one source; see `vlreward.data.load` for the fields. Use it once."""

    path: str | Path
    name: str
    schema: str | None
    columns: Mapping[str, str]
    task: str | None
    gold_frame: GoldFrame | None
    where: Where | None
    folder: ImageFolder | None
    urls: UrlImages | None
    on_missing: str
    on_bad_image: str
    on_bad_gold: str
    read_sizes: bool | None
    box_tolerance: float
    check_gold: Callable[[str], object] | None
    _pictures: Pictures | None = field(default=None, init=False)
    _filtered: int = field(default=0, init=False)
    _suspicious: list[RowProblem] = field(default_factory=list, init=False)
    _unread: dict[str, None] = field(default_factory=dict, init=False)
    _rows: int = field(default=0, init=False)
    _problems: list[RowProblem] = field(default_factory=list, init=False)
    _skipped: list[RowProblem] = field(default_factory=list, init=False)
    _notes: list[RowProblem] = field(default_factory=list, init=False)
    _row_of_id: dict[str, int] = field(default_factory=dict, init=False)
    _kept: array[int] = field(default_factory=lambda: array("q"), init=False)
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
        schema = self._schema(first.value)
        images = RowImages(source, schema.read, self.folder, self.urls)
        self._pictures = Pictures(images, self.read_sizes, self.on_missing, self.on_bad_image)
        every: Iterable[RawRow] = self._wanted(chain([first], rows))
        typed = None
        task = task_of_schema(schema) if self.task is None else self.task
        if task is None and schema.typed:
            try:
                gold = fields_of(first, schema).gold
                task = typed = claimant(gold, typed=True)
                if task is None:
                    raise BadRow(
                        f"gold: expected a whole number or a text that is surely of one task, got "
                        f"{short(gold)}; name the task with --task",
                        "bad_gold",
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
        )
        dataset.images = self._pictures.found()
        dataset.row_numbers = self._kept
        dataset.provenance = replace(
            dataset.provenance,
            sha256=source.sha256,
            rows=self._rows,
            columns=dict(schema.columns),
            gold_at=schema.gold_at,
            unread=tuple(self._unread),
            filtered=self._filtered,
            skipped=tuple(self._skipped),
            suspicious=tuple(self._suspicious),
            notes=tuple(self._notes),
            remarks=split_remarks(self.name, self._rows),
        )
        return dataset

    def _schema(self, row: Mapping[str, Any]) -> Schema:
        """The schema that reads the rows: that of a name, or as the first row's keys and
        `columns` say."""
        schema = named_schema(self.schema)
        if not self.columns:
            return schema or schema_of(row, path=self.path)
        if schema is None and not {"gold", "question"} <= self.columns.keys():
            with contextlib.suppress(UnknownSchemaError):
                schema = schema_of(row, path=self.path)
        return mapped(self.columns, schema)

    def _wanted(self, rows: Iterable[RawRow]) -> Iterator[RawRow]:
        """The rows that `where` lets through."""
        for raw in rows:
            try:
                wanted = self.where is None or self.where.fits(raw.value)
            except ValueError as error:
                raise DataError(f"--where: {error}", path=self.path) from None
            if wanted:
                yield raw
            else:
                self._rows += 1
                self._filtered += 1

    def _samples(
        self, rows: Iterable[RawRow], schema: Schema, task: str, typed: bool
    ) -> Iterator[Sample]:
        for raw in rows:
            self._rows += 1
            try:
                sample = self._sample(raw, schema, task, typed)
            except BadRow as bad:
                wanted = {
                    "bad_gold": self.on_bad_gold,
                    "bad_image": self.on_bad_image,
                    "missing_image": self.on_missing,
                }
                skip = wanted.get(bad.kind) == "skip"
                (self._skipped if skip else self._problems).append(_problem(raw, bad))
            else:
                self._kept.append(raw.number)
                yield sample
        if self._problems:
            raise self._error(self._problems)
        if not self._kept:
            parts = ((len(self._skipped), "were skipped"), (self._filtered, "did not fit --where"))
            why = ", ".join(f"{n} {what}" for n, what in parts if n)
            raise DataError(
                f"no row of {self._rows} is left: {why}",
                path=self.path,
                problems=self._skipped,
            )

    def _sample(self, raw: RawRow, schema: Schema, task: str, typed: bool) -> Sample:
        fields = fields_of(raw, schema)
        task = fields.task or task
        if typed and (kind := claimant(fields.gold, typed=True)) != task:
            raise BadRow(
                f"mixed types: expected a gold for {task} as in the first row, got "
                f"{short(fields.gold)}, which is for {kind or 'several'}; name the task to accept "
                "both",
                "bad_gold",
            )
        envelope, value = self._gold(raw, fields, task)
        gold = envelope.gold
        assert self._pictures is not None
        images, image = self._pictures.named(raw, fields, value, envelope)
        sample_id = f"{self.name}/{raw.number}" if fields.id is None else fields.id.strip()
        before = self._row_of_id.setdefault(sample_id, raw.number)
        if before != raw.number:
            raise BadRow(f"expected ids that differ, got {sample_id!r} as in row {before}")
        size, remark = self._pictures.size(fields, gold, image, len(images))
        if remark is not None:
            self._note(raw, remark)
        size = size or envelope.image_size
        self._look_at(raw, gold, value, size)
        self._unread.update(dict.fromkeys(fields.metadata or ()))
        try:
            sample = Sample(
                id=sample_id,
                question=fields.question,
                expression=fields.expression,
                gold=envelope.gold,
                image=image,
                images=images if len(images) > 1 else (),
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

    def _gold(self, raw: RawRow, fields: Fields, task: str) -> tuple[Envelope, Any]:
        """The gold, and how the row writes it with boxes as corners; None in an envelope."""
        try:
            declared = self._declared(fields)
            envelope, value = framed(fields.gold, task, declared, partial(self._suspect, raw))
            if value is not None and "frame" not in envelope.gold.model_fields_set:
                _refuse_unread(fields.metadata or {})
        except ValueError as error:
            raise BadRow(f"gold: {error}", "bad_gold") from None
        gold = envelope.gold
        if gold.task != task:
            raise BadRow(f"gold: expected one for {task}, got one for {gold.task}", "bad_gold")
        self._check(gold)
        return envelope, value

    def _declared(self, fields: Fields) -> GoldFrame | None:
        """What a column or the option declares of the gold's coordinates; the column wins."""
        return self.gold_frame if fields.frame is None else GoldFrame.parse(fields.frame)

    def _suspect(self, raw: RawRow, what: str, fit: str) -> None:
        self._suspicious.append(RowProblem(raw.number, f"{what}: {fit}", raw.line, "suspicious"))

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

    def _look_at(self, raw: RawRow, gold: Gold, value: Any, size: Size | None) -> None:
        try:
            suspect = partial(self._suspect, raw)
            remark = looked_at(gold, value, size, self.box_tolerance, suspect)
        except ValueError as error:
            raise BadRow(f"gold: {error}", "bad_gold") from None
        if remark is not None:
            self._note(raw, remark)

    def _note(self, raw: RawRow, message: str) -> None:
        self._notes.append(RowProblem(raw.number, message, raw.line, "note"))

    def _error(self, problems: list[RowProblem]) -> DataError:
        golds = sum(p.kind == "bad_gold" for p in problems)
        hint = "; --on-bad-gold skip leaves bad golds out" if golds else ""
        if golds and self._suspicious:
            hint = f"; what would fit: {', '.join(fits(self._suspicious))}{hint}"
        return DataError(
            f"expected good rows, got {len(problems)} bad{hint}", path=self.path, problems=problems
        )


def _refuse_unread(row: Mapping[str, Any]) -> None:
    """Refuse a column that says how boxes are meant, where nothing says to read it."""
    for key in row:
        if _HOW.match(key):
            raise ValueError(
                f"the column {key!r} may say how the box is meant, and nothing reads it: "
                f"--columns frame={key}, or --gold-frame"
            )


def _problem(raw: RawRow, bad: BadRow) -> RowProblem:
    return RowProblem(raw.number, str(bad), raw.line, bad.kind)
