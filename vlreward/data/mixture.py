"""Mixtures: several data sets in one, each with its sampling strategy, as YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from vlreward._text import short
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource
from vlreward.types import Sample

__all__ = ["ENTRY_OPTIONS", "joined", "read_entries", "weight_of"]

ENTRY_OPTIONS = (
    "task", "schema", "columns", "gold_frame", "split", "config", "where", "name",
)  # fmt: skip
"""What an entry may say of `load`'s options, besides `image_root`."""
_KEYS = ("json_path", "sampling_strategy", "weight", "image_root", *ENTRY_OPTIONS)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a mixture's file, with known keys.

    Raises:
        DataError: If the file is no list of data sets.
    """
    import yaml

    try:
        config = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise DataError(f"expected YAML: {error}", path=path) from None
    entries = config.get("datasets") if isinstance(config, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"expected 'datasets:' with a list of data sets, got {short(config)}", path=path
        )
    for number, entry in enumerate(entries, 1):
        where = f"datasets, entry {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("json_path"), str):
            raise DataError(f"{where}: expected 'json_path: FILE', got {short(entry)}", path=path)
        if unknown := set(entry) - set(_KEYS):
            raise DataError(
                f"{where}: unknown keys {sorted(map(str, unknown))}; known: {', '.join(_KEYS)}",
                path=path,
            )
    return entries


def weight_of(entry: dict[str, Any]) -> tuple[int, Decimal]:
    """How often an entry's rows are taken whole, and per cent of them once more.

    Raises:
        ValueError: If its `weight` is no number above 0 and up to 100.

    Example:
        >>> weight_of({"weight": 2.5})
        (2, Decimal('50.0'))
    """
    value = entry.get("weight", 1)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 100:
        raise ValueError(f"weight: expected a number above 0 and up to 100, got {value!r}")
    again = int(value)
    return again, (Decimal(str(value)) - again) * 100


class _PartImages:
    """Images of several data sets; the name says which: `2|train2014/x.jpg`."""

    def __init__(self, sources: list[ImageSource | None]) -> None:
        self._sources = sources

    def source(self, name: str) -> Path | bytes:
        part, _, rest = name.partition("|")
        source = self._sources[int(part)]
        if source is None:
            raise DataError(f"no image root is known for the image {rest!r}: give image_root=...")
        return source.source(rest)


def joined(parts: list[Dataset], path: Path, name: str) -> Dataset:
    """Several data sets as one; ids that come up again get the number of their data set."""
    sources = [part.images for part in parts]
    one_source = all(source == sources[0] for source in sources)
    images: ImageSource | None = sources[0] if one_source else _PartImages(sources)

    def samples() -> Iterator[Sample]:
        seen: set[str] = set()
        for number, part in enumerate(parts):
            for sample in part:
                update: dict[str, Any] = {}
                if sample.id in seen:  # the same rows may be listed twice on purpose
                    update["id"] = f"{sample.id}@{number + 1}"
                if not one_source and sample.image is not None:
                    update["image"] = f"{number}|{sample.image}"
                    update["images"] = tuple(f"{number}|{name}" for name in sample.images)
                yield sample.model_copy(update=update) if update else sample
            seen.update(part.ids)

    origins = tuple(part.provenance for part in parts)
    tasks = {origin.task for origin in origins}
    provenance = Provenance(
        path=str(path),
        schema="mixture",
        sha256=hashlib.sha256("\n".join(o.sha256 for o in origins).encode()).hexdigest(),
        rows=sum(map(len, parts)),
        task=tasks.pop() if len(tasks) == 1 else "mixed",
        filtered=sum(origin.filtered for origin in origins),
        skipped=tuple(problem for origin in origins for problem in origin.skipped),
        suspicious=tuple(problem for origin in origins for problem in origin.suspicious),
        notes=tuple(note for origin in origins for note in origin.notes),
        remarks=tuple(remark for origin in origins for remark in origin.remarks),
        parts=origins,
    )
    rows = [(part.provenance.sha256, part.row_numbers) for part in parts]
    return Dataset(name, samples(), provenance, images, rows)
