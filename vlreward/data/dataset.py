"""Samples of one data set, kept compactly, with where they come from."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

from vlreward.data.errors import DataError, RowProblem
from vlreward.types import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

    from vlreward.data.images import ImageSource

__all__ = ["Dataset", "Provenance", "Records"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the samples of a data set come from."""

    path: str
    """File, directory or hub name that was read."""
    schema: str
    """Name of the schema; `mixture` for several data sets in one."""
    sha256: str
    """Hex digest of the bytes of the file; for a directory or a hub data set of its rows without
    the pixels, for a mixture of the digests of its parts."""
    rows: int
    """Number of rows that were read, before skipping and sampling."""
    task: str
    """Task of the golds; `mixed` for a mixture of tasks."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by what is read from them (`gold`, `question`, `image` ...); empty where a schema
    decides it row by row."""
    gold_at: str = "ground_truth"
    """Column in which the trainer that reads such rows hands the gold to its rewards."""
    unread: tuple[str, ...] = ()
    """Keys of rows that nothing is read from; samples carry them as `metadata`."""
    filtered: int = 0
    """Rows left out because they do not fit `--where`."""
    skipped: tuple[RowProblem, ...] = ()
    """Rows left out on request: missing or bad images, bad golds."""
    suspicious: tuple[RowProblem, ...] = ()
    """Rows whose gold looks as if its frame were another one, with the option that would fit."""
    notes: tuple[RowProblem, ...] = ()
    """Rows that were kept but deserve a look, e.g. a gold box that leaves the image."""
    remarks: tuple[str, ...] = ()
    """What is remarkable about the whole file, e.g. an unusual count for a split of that name."""
    sampling: str | None = None
    """How the subset was chosen, e.g. `500@42`; None for the whole."""
    parts: tuple[Provenance, ...] = ()
    """Of a mixture: where each part comes from."""


@dataclass(slots=True)
class Records:
    """Samples as compact JSON."""

    ids: list[str] = field(default_factory=list)
    """Their ids."""
    texts: list[bytes] = field(default_factory=list)
    """What they are rebuilt from."""
    rows: array[int] = field(default_factory=lambda: array("q"))
    """The numbers of their rows, counted from 1."""

    def add(self, sample: Sample, row: int) -> None:
        """One sample more.

        Raises:
            PydanticSerializationError: If a text in it is no Unicode: half of a surrogate pair.
        """
        self.texts.append(sample.model_dump_json().encode())
        self.ids.append(sample.id)
        self.rows.append(row)


class Dataset(Sequence[Sample]):
    """A sequence of validated samples with their provenance and images.

    Samples are stored as compact JSON and rebuilt when they are asked for; equal fields give
    equal samples, but not the same object. Images are opened by `open_image` alone.

    Args:
        name: Name of the data set; a subset shows in it, e.g. `refcoco_val[500@42]`.
        samples: Samples with ids that differ.
        provenance: Where they come from.
        images: Where their images are; None if they have none or no image root was given.
        parts: Of a mixture, the digest of each part's file and the numbers of its rows.

    Attributes:
        row_numbers: For each sample the number of its row, counted from 1; the rows that were
            skipped leave gaps.

    Raises:
        DataError: If there are no samples or two have the same id.
    """

    def __init__(
        self,
        name: str,
        samples: Iterable[Sample] | Records,
        provenance: Provenance,
        images: ImageSource | None = None,
        parts: Sequence[tuple[str, Sequence[int]]] = (),
    ) -> None:
        if isinstance(samples, Records):
            records = samples
        else:
            records = Records()
            for row, sample in enumerate(samples, 1):
                records.add(sample, row)
        self.name = name
        self.provenance = provenance
        self.images = images
        self.parts = parts
        self.row_numbers: Sequence[int] = records.rows
        self._ids, self._texts = records.ids, records.texts
        if not self._ids:
            raise DataError("expected samples, got none", path=provenance.path)
        self._index = {sample_id: index for index, sample_id in enumerate(self._ids)}
        if len(self._index) < len(self._ids):
            seen: set[str] = set()
            double = [i for i in self._ids if i in seen or seen.add(i)]  # type: ignore[func-returns-value]
            raise DataError(
                f"expected ids that differ, got {len(double)} again: {double[:10]!r}",
                path=provenance.path,
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the samples, in order."""
        return tuple(self._ids)

    @property
    def ids_sha256(self) -> str:
        """Hex digest of the ids in order, one per line: equal for equal choices in equal order."""
        return hashlib.sha256("\n".join(self._ids).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Sample]:
        return map(_rebuild, self._texts)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: int | slice) -> Sample | Dataset:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            step = "" if chosen.step == 1 else f":{chosen.step}"
            return self.select(chosen, f"{chosen.start}:{chosen.stop}{step}")
        return _rebuild(self._texts[index])

    def __contains__(self, item: object) -> bool:
        return isinstance(item, Sample) and item.id in self._index and self.by_id(item.id) == item

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} samples of {self.provenance.path!r})"

    def by_id(self, sample_id: str) -> Sample:
        """The sample with an id.

        Raises:
            KeyError: If there is none.
        """
        if sample_id not in self._index:
            raise KeyError(f"data set {self.name!r} has no sample {sample_id!r}")
        return self[self._index[sample_id]]

    def shared_rows(self, other: Dataset) -> int:
        """How many rows of the same files, by their digests, both data sets have."""
        mine, theirs = self._origins(), other._origins()
        return sum(len(mine[file] & theirs[file]) for file in mine.keys() & theirs.keys())

    def _origins(self) -> dict[str, set[int]]:
        if self.parts:
            found: dict[str, set[int]] = {}
            for sha256, rows in self.parts:
                found.setdefault(sha256, set()).update(rows)
            return found
        return {self.provenance.sha256: set(self.row_numbers)}

    def select(self, indices: Iterable[int], label: str | None) -> Dataset:
        """The samples at some positions, in that order.

        Args:
            indices: Positions, from 0, each at most once.
            label: How they were chosen; shown in the name. None keeps the name.

        Raises:
            DataError: If no position or one twice is given.
            IndexError: If there is no such position.
        """
        chosen = list(indices)
        if not chosen or len(set(chosen)) < len(chosen):
            raise DataError(
                f"expected positions that differ, got {len(chosen)} with {len(set(chosen))} values",
                path=self.provenance.path,
            )
        name, provenance = self.name, self.provenance
        if label is not None:
            before = provenance.sampling
            name = f"{name}[{label}]"
            provenance = replace(
                provenance, sampling=label if before is None else f"{before}, {label}"
            )
        records = Records(
            [self._ids[i] for i in chosen],
            [self._texts[i] for i in chosen],
            array("q", (self.row_numbers[i] for i in chosen)),
        )
        return Dataset(name, records, provenance, self.images, self.parts)

    def open_image(self, sample: Sample) -> Image:
        """The image of a sample: RGB, EXIF orientation applied once.

        Raises:
            DataError: If it has none, or it cannot be read; names the sample.
        """
        from vlreward.data.images import open_image

        return open_image(self.image(sample), where=sample.id)

    def image(self, sample: Sample) -> Path | bytes:
        """The encoded image of a sample: its file, whether or not that exists, or its bytes.

        Raises:
            DataError: If it has no image, or there is no image root.
        """
        if sample.image is None:
            raise DataError(f"sample {sample.id!r} has no image", path=self.provenance.path)
        if self.images is None:
            raise DataError(
                f"sample {sample.id!r} names the image {sample.image!r}, but no image root is "
                "known: give image_root=... when loading",
                path=self.provenance.path,
            )
        return self.images.source(sample.image)


def _rebuild(record: bytes) -> Sample:
    return Sample.model_validate_json(record)
