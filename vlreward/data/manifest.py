"""Which samples a run used: counts, hashes and ids as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vlreward.data.dataset import Dataset
from vlreward.files import replacing

__all__ = ["Manifest", "split_remarks", "standard_counts"]


@cache
def standard_counts() -> Mapping[str, int]:
    """Number of rows of the splits that suites measure, by the names of suite and file."""
    from vlreward.suite import SUITES

    counts = {}
    for suite in map(SUITES.get, SUITES.names()):
        if suite.n is not None and suite.file is not None and suite.split is None:
            names = [suite.name] if "/" in suite.file else [suite.name, PurePath(suite.file).stem]
            counts.update(dict.fromkeys(names, suite.n))
    return counts


def _standard_count(name: str) -> int | None:
    return standard_counts().get(name.replace("refcoco+", "refcocop"))


def split_remarks(name: str, rows: int) -> tuple[str, ...]:
    """A remark if a file has the name of a standard split but not its number of rows.

    Example:
        >>> split_remarks("refcoco_val", 2000)
        ('refcoco_val has 10834 rows in the standard split, this file has 2000',)
    """
    standard = _standard_count(name)
    if standard is None or standard == rows:
        return ()
    return (f"{name} has {standard} rows in the standard split, this file has {rows}",)


class Manifest(BaseModel):
    """The samples of one data set or subset, by id and in order, and the file that they are of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vlreward_manifest: Literal[1] = 1
    """Version of this format."""
    name: str
    """Name of the data set, e.g. `refcoco_val[500@42]`."""
    path: str
    """File, directory or hub name that was read."""
    schema_name: str
    """Schema of its rows."""
    task: str
    """Task of its golds."""
    sha256: str
    """Digest of the file, see `Provenance.sha256`."""
    rows: int
    """Number of rows of the file."""
    count: int
    """Number of samples chosen."""
    standard_count: int | None
    """Number of rows of the standard split of that name, if it is one."""
    sampling: str | None
    """How they were chosen; None for all of them."""
    skipped: int
    """Number of rows left out because of missing images or bad golds."""
    remarks: tuple[str, ...]
    """What is remarkable about the file."""
    ids_sha256: str
    """Digest of the ids, one per line."""
    ids: tuple[str, ...]
    """Ids of the samples, in order."""

    @classmethod
    def of(cls, dataset: Dataset) -> Manifest:
        """The manifest of a data set."""
        origin = dataset.provenance
        return cls(
            name=dataset.name,
            path=origin.path,
            schema_name=origin.schema,
            task=origin.task,
            sha256=origin.sha256,
            rows=origin.rows,
            count=len(dataset),
            standard_count=_standard_count(dataset.name.partition("[")[0]),
            sampling=origin.sampling,
            skipped=len(origin.skipped),
            remarks=origin.remarks,
            ids_sha256=dataset.ids_sha256,
            ids=dataset.ids,
        )

    def write(self, path: str | Path) -> None:
        """Write as JSON; the file is complete or not there."""
        with replacing(path) as file:
            json.dump(self.model_dump(mode="json"), file, indent=1, ensure_ascii=False)
            file.write("\n")
