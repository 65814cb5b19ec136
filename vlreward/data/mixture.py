"""Mixtures: several data sets in one, each with its sampling strategy, as YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from vlreward._text import short
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource
from vlreward.data.sampling import Sampler, Strategy
from vlreward.types import Sample

__all__ = ["load_mixture"]

_ENTRY_OPTIONS = (
    "task", "schema", "columns", "gold_frame", "split", "config", "where", "name",
)  # fmt: skip
"""What an entry may say of `load`'s options, besides `image_root`."""
_KEYS = ("json_path", "sampling_strategy", "weight", "image_root", *_ENTRY_OPTIONS)


def load_mixture(
    path: str | Path,
    *,
    root: str | Path | None = None,
    seed: int = 42,
    sampling: Literal["per-dataset", "chained"] = "per-dataset",
    name: str | None = None,
    **options: Any,
) -> Dataset:
    """Load the data sets that a YAML file lists, one after the other.

    The file is that of VLM-R1's and PaddleMIX's `data_config`:

        datasets:
          - json_path: refcoco_train.json
            sampling_strategy: random:10%

    with a strategy that `Strategy.parse` reads, `all` by default. Each entry may also say
    `image_root`, `task`, `schema`, `columns`, `gold_frame`, `split`, `config`, `where` and `name`,
    and `weight`: 2 takes every row of it twice, 0.5 half of them, drawn with the seed.

    Args:
        root: Directory that relative paths start from; by default that of the YAML file.
        seed: Seed for the strategy `random`. (The originals leave it to chance.)
        sampling: See `Sampler`.
        name: Name of the mixture; by default the stem of the YAML file.
        **options: Passed on to `load` for each data set, unless its entry says otherwise.

    Raises:
        DataError: If the file is no such list, or a data set is bad.
        FileNotFoundError: If a data set does not exist.
    """
    from vlreward.data.loaders import load

    path = Path(path)
    base = Path(root) if root is not None else path.parent
    sampler = Sampler(seed, sampling)
    parts = []
    for number, entry in enumerate(_read_entries(path), 1):
        where = f"datasets, entry {number}"
        own: dict[str, Any] = {k: entry[k] for k in _ENTRY_OPTIONS if k in entry}
        if "image_root" in entry:
            own["image_root"] = base / str(entry["image_root"])
        file = str(entry["json_path"])
        source: str | Path = file if file.startswith("hf:") else base / file
        try:
            strategy = Strategy.parse(str(entry.get("sampling_strategy", "all")))
            again, share = _weight_of(entry)
        except ValueError as error:
            raise DataError(f"{where}: {error}", path=path) from None
        part = sampler.take(load(source, **{**options, **own}), strategy)
        parts += [part] * again
        if share:
            parts.append(sampler.take(part, Strategy("random", share, percent=True)))
    return _joined(parts, path, name or path.stem)


def _read_entries(path: Path) -> list[dict[str, Any]]:
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


def _weight_of(entry: dict[str, Any]) -> tuple[int, Decimal]:
    """How often an entry's rows are taken whole, and per cent of them once more.

    Raises:
        ValueError: If its `weight` is no number above 0 and up to 100.

    Example:
        >>> _weight_of({"weight": 2.5})
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


def _joined(parts: list[Dataset], path: Path, name: str) -> Dataset:
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
