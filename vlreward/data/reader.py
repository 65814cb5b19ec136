"""From raw rows to a data set: golds checked, images looked for, every problem with its row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from vlreward._text import first_problem, short
from vlreward.data.columns import mapped
from vlreward.data.dataset import Dataset, Provenance, Records
from vlreward.data.errors import BadRow, DataError, RowProblem, UnknownSchemaError
from vlreward.data.framed import read_framed
from vlreward.data.image_values import RowImages
from vlreward.data.images import ImageFolder
from vlreward.data.manifest import split_remarks
from vlreward.data.pictures import Pictures
from vlreward.data.rows import RawRow, RowSource
from vlreward.data.schemas import (
    fields_of,
    named_schema,
    schema_of,
    task_of_rows,
    task_of_schema,
)  # fmt: skip
from vlreward.data.suspicious import fits
from vlreward.data.urls import UrlImages
from vlreward.data.where import Where
from vlreward.gold_frames import GoldFrame
from vlreward.golds import claimant, is_envelope
from vlreward.schema import Schema
from vlreward.types import Gold, Sample

__all__ = ["RowReader"]


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
    read_sizes: bool
    _rows: int = field(default=0, init=False)
    _filtered: int = field(default=0, init=False)
    _unread: dict[str, None] = field(default_factory=dict, init=False)
    _problems: list[RowProblem] = field(default_factory=list, init=False)
    _skipped: list[RowProblem] = field(default_factory=list, init=False)
    _suspicious: list[RowProblem] = field(default_factory=list, init=False)
    _notes: list[RowProblem] = field(default_factory=list, init=False)
    _row_of_id: dict[str, int] = field(default_factory=dict, init=False)
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
            whole = isinstance(first.value, list) and first.line is not None
            hint = "; if the file as a whole is JSON, name it .json" if whole else ""
            message = f"expected an object, got {short(first.value)}{hint}"
            raise self._error([first.problem(message)])
        schema = self._schema(first.value)
        images = RowImages(source, schema.read, self.folder, self.urls)
        pictures = Pictures(images, self.read_sizes, self.on_missing)
        every: Iterable[RawRow] = self._wanted(chain([first], rows))
        task = self._declared_task(first, schema) if self.task is None else self.task
        as_first = task is None and schema.typed
        if task is None and not as_first:
            every = list(every)
            task = task_of_rows(schema, every, self.path)
        records = Records()
        for raw in every:
            try:
                if task is None:
                    task = self._task_of(raw, schema)
                sample = self._sample(raw, schema, task, as_first, pictures)
                records.add(sample, raw.number)
            except BadRow as bad:
                self._bad(raw, bad)
            except PydanticSerializationError as error:
                self._bad(raw, BadRow(f"expected Unicode text: {error}"))
        if self._problems:
            raise self._error(self._problems)
        if not records.ids or task is None:
            parts = ((len(self._skipped), "were skipped"), (self._filtered, "did not fit --where"))
            why = ", ".join(f"{n} {what}" for n, what in parts if n)
            raise DataError(
                f"no row of {self._rows} is left: {why}", path=self.path, problems=self._skipped
            )
        provenance = Provenance(
            str(self.path),
            schema.name,
            source.sha256,
            self._rows,
            task,
            columns=dict(schema.columns),
            gold_at=schema.gold_at,
            unread=tuple(self._unread),
            filtered=self._filtered,
            skipped=tuple(self._skipped),
            suspicious=tuple(self._suspicious),
            notes=tuple(self._notes),
            remarks=split_remarks(self.name, self._rows),
        )
        return Dataset(self.name, records, provenance, pictures.found())

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

    def _declared_task(self, first: RawRow, schema: Schema) -> str | None:
        """The task that a packed gold names, or else the schema; None where neither does."""
        with contextlib.suppress(ValueError):  # what is wrong with it is said when it is read
            gold = fields_of(first, schema).gold
            if is_envelope(gold):
                return claimant(gold)
        return task_of_schema(schema)

    def _task_of(self, first: RawRow, schema: Schema) -> str:
        """The task of the gold of the first row that is kept, which all others must be of."""
        gold = fields_of(first, schema).gold
        task = claimant(gold, typed=True)
        if task is None:
            raise BadRow(
                "gold: expected a whole number or a text that is surely of one task, got "
                f"{short(gold)}; name the task with --task",
                "bad_gold",
            )
        return task

    def _wanted(self, rows: Iterable[RawRow]) -> Iterator[RawRow]:
        """The rows that `where` lets through."""
        for raw in rows:
            self._rows += 1
            try:
                wanted = self.where is None or self.where.fits(raw.value)
            except ValueError as error:
                raise DataError(f"--where: {error}", path=self.path) from None
            if wanted:
                yield raw
            else:
                self._filtered += 1

    def _bad(self, raw: RawRow, bad: BadRow) -> None:
        wanted = {
            "bad_gold": self.on_bad_gold,
            "bad_image": self.on_bad_image,
            "missing_image": self.on_missing,
        }
        skip = wanted.get(bad.kind) == "skip"
        (self._skipped if skip else self._problems).append(raw.problem(str(bad), bad.kind))

    def _sample(
        self, raw: RawRow, schema: Schema, task: str, as_first: bool, pictures: Pictures
    ) -> Sample:
        fields = fields_of(raw, schema)
        task = fields.task or task
        if as_first and (kind := claimant(fields.gold, typed=True)) != task:
            raise BadRow(
                f"mixed types: expected a gold for {task} as in the first row, got "
                f"{short(fields.gold)}, which is for {kind or 'several'}; name the task to accept "
                "both",
                "bad_gold",
            )
        suspect = partial(self._suspect, raw)
        with _gold_at_fault():
            framed = read_framed(
                fields.gold,
                task,
                fields.gold_frame,
                self.gold_frame,
                suspect,
                fields.metadata,
                schema.columns.get("gold"),
            )
            envelope, gold = framed.envelope, framed.envelope.gold
            self._check(gold, task)
        images, image = pictures.named(raw, fields, framed)
        sample_id = f"{self.name}/{raw.number}" if fields.id is None else fields.id.strip()
        before = self._row_of_id.setdefault(sample_id, raw.number)
        if before != raw.number:
            raise BadRow(f"expected ids that differ, got {sample_id!r} as in row {before}")
        size, differs = pictures.size(fields, gold, image, len(images))
        with _gold_at_fault():
            sample, remark = framed.sample(
                suspect,
                fields.metadata,
                id=sample_id,
                question=fields.question,
                expression=fields.expression,
                image=image,
                images=images if len(images) > 1 else (),
                image_size=size or envelope.image_size,
                input_size=envelope.input_size,
                frame=envelope.frame,
                axis_order=envelope.axis_order,
            )
        self._notes += [raw.problem(text, "note") for text in (differs, remark) if text is not None]
        self._unread.update(dict.fromkeys(fields.metadata or ()))
        return sample

    def _suspect(self, raw: RawRow, what: str, fit: str) -> None:
        self._suspicious.append(raw.problem(what, "suspicious", fit))

    def _check(self, gold: Gold, task: str) -> None:
        """Look at a gold closer than reading does.

        Raises:
            ValueError: If no answer could be compared with it.
        """
        if gold.task != task:
            raise ValueError(f"expected one for {task}, got one for {gold.task}")
        if type(gold).check is Gold.check:
            return
        key = gold.text()
        if key not in self._checked:
            try:
                gold.check()
                self._checked[key] = None
            except ValueError as error:
                self._checked[key] = str(error)
        if (message := self._checked[key]) is not None:
            raise ValueError(message)

    def _error(self, problems: list[RowProblem]) -> DataError:
        golds = sum(p.kind == "bad_gold" for p in problems)
        hint = "; --on-bad-gold skip leaves bad golds out" if golds else ""
        if golds and self._suspicious:
            hint = f"; what would fit: {fits(self._suspicious)}{hint}"
        return DataError(
            f"expected good rows, got {len(problems)} bad{hint}", path=self.path, problems=problems
        )


@contextlib.contextmanager
def _gold_at_fault() -> Iterator[None]:
    """Says of what goes wrong that it is about the gold, but for the fields of a sample."""
    try:
        yield
    except ValidationError as error:
        raise BadRow(first_problem(error)) from None
    except ValueError as error:
        raise BadRow(f"gold: {error}", "bad_gold") from None
