"""`load`: one function for every schema and file format; `load_mixture` for several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from vlreward.data.columns import parse_columns
from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError
from vlreward.data.folder import RowFolder
from vlreward.data.images import ImageFolder
from vlreward.data.missing import check_images
from vlreward.data.mixture import load_mixture
from vlreward.data.reader import RowReader
from vlreward.data.rows import JSONL_SUFFIXES, RowFile, RowSource
from vlreward.data.suspicious import refuse_suspicious
from vlreward.data.tables import TABLE_SUFFIXES, TableRows
from vlreward.data.urls import UrlImages, image_cache
from vlreward.data.where import Where
from vlreward.errors import OptionError
from vlreward.gold_frames import GoldFrame

__all__ = ["load", "open_rows"]


def load(
    path: str | Path,
    *,
    task: str | None = None,
    schema: str | None = None,
    columns: str | Mapping[str, str] | None = None,
    gold_frame: str | GoldFrame | None = None,
    split: str | None = None,
    config: str | None = None,
    where: str | Sequence[str] | None = None,
    image_root: str | Path | ImageFolder | None = None,
    flat_images: bool = False,
    allow_urls: bool = False,
    on_missing: Literal["error", "skip", "keep"] = "error",
    on_bad_image: Literal["error", "skip"] = "error",
    on_bad_gold: Literal["error", "skip"] = "error",
    on_suspicious: Literal["error", "keep"] = "error",
    read_sizes: bool = False,
    name: str | None = None,
) -> Dataset:
    """Load and validate a data set.

    Args:
        path: A `.json` list, a `.jsonl` file, a table (`.csv`, `.tsv`, `.xlsx`), a `.yaml` mixture
            (see `load_mixture`), a `.parquet` file, a directory saved by `datasets` or holding
            Parquet files, or `hf:OWNER/NAME` for a data set of the Hugging Face hub. The last three
            need the extra `data`, `.xlsx` the extra `xlsx`.
        task: Task of the golds. Only needed where the data does not tell: texts that are all
            whole numbers could be counts or expressions.
        schema: A name from `all_schemas()`; by default recognised from the keys of the first row.
        columns: What is read from which column, `gold=answer,question=problem,image=images`, for
            rows of no known schema, or to change what a schema reads.
        gold_frame: Frame of the golds' coordinates, e.g. `norm1000` or `original_px:xywh`, see
            `GoldFrame.parse`; a frame beside a box or in a column wins. By default pixels of the
            original image. As a text it is refused where no gold lies in its image.
        split: Split of a Hugging Face data set; needed if there are several.
        config: Configuration of a Hugging Face data set that has several.
        where: Conditions on columns that rows must fit, e.g. `difficulty<0.8`.
        image_root: Directory of the images, see `resolve_image`, or an `ImageFolder`. Without it
            images are found that stand in the rows or have absolute names; others are not looked
            for, and cannot be opened through the data set.
        flat_images: Look for every image directly in `image_root`, under its base name. Only for
            data whose base names differ: GeoQA's `train/0.png` and `test/0.png` would be one.
        allow_urls: Download images that rows name by their address, see `UrlImages`.
        on_missing: What to do about images that do not exist, see `check_images`: `error`; `skip`
            their rows and say so in `provenance.skipped`; or `keep` for not looking yet, to
            sample first. A row never gets another row's image.
        on_bad_image: `error`, or `skip` for rows whose image cannot be read, or is too large or
            too narrow, see `check_images`.
        on_bad_gold: `error` or `skip` for golds that are no golds, e.g. inverted boxes.
        on_suspicious: `error` where more than 1 % of the golds look as if their frame were
            another one (`provenance.suspicious`), or `keep`.
        read_sizes: Look into the header of every image, and compare its size with that of the row;
            needs the images. Otherwise only into those of golds that lie in their image, where
            the row says no size.
        name: Name of the data set; by default the stem of the file name.

    Returns:
        The samples in the order of the rows. A row without an id gets `NAME/ROW`, with the
        number of its row counted from 1.

    Raises:
        DataError: If the file or any row is bad. Lists the first ten rows at fault and the count.
        ImportError: If a Hugging Face data set is asked for without the extra `data`.
        FileNotFoundError: If there is no such file.
    """
    given = dict(locals())  # what a mixture hands on to each of its data sets
    _check("on_missing", on_missing, "error", "skip", "keep")
    _check("on_bad_image", on_bad_image, "error", "skip")
    _check("on_bad_gold", on_bad_gold, "error", "skip")
    _check("on_suspicious", on_suspicious, "error", "keep")
    path = _there(path)
    declared = None if gold_frame is None else GoldFrame.parse(gold_frame)
    if isinstance(path, Path) and path.suffix.lower() in (".yaml", ".yml"):
        return load_mixture(**given | {"path": path, "gold_frame": declared})
    folder = None
    if isinstance(image_root, ImageFolder):
        folder = replace(image_root, flat=flat_images or image_root.flat)
    elif image_root is not None:
        folder = ImageFolder(Path(image_root), flat_images)
    if folder is not None and not folder.root.is_dir():
        raise DataError("expected the directory of the images", path=folder.root)
    if name is None:
        name = path.stem if isinstance(path, Path) else path.rpartition("/")[2]
    reader = RowReader(
        path=path,
        name=name,
        schema=schema,
        columns=parse_columns(columns),
        task=task,
        gold_frame=declared,
        where=None if not where else Where.parse(where),
        folder=folder,
        urls=UrlImages(image_cache()) if allow_urls else None,
        on_missing=on_missing,
        on_bad_image=on_bad_image,
        on_bad_gold=on_bad_gold,
        read_sizes=read_sizes,
    )
    dataset = reader.dataset(open_rows(path, split=split, config=config))
    if read_sizes and dataset.images is None and any(s.image for s in dataset):
        raise DataError("read_sizes needs the images: give --image-root", path=path)
    if dataset.images is not None and on_missing != "keep":
        dataset = check_images(dataset, on_missing, on_bad_image)
    if isinstance(gold_frame, str) and not any(sample.gold.located for sample in dataset):
        raise OptionError(
            f"--gold-frame {gold_frame}: expected golds that lie in the image, got those of "
            f"{dataset.provenance.task}"
        )
    if on_suspicious == "error":
        refuse_suspicious(dataset.provenance)
    return dataset


def open_rows(
    path: str | Path, *, split: str | None = None, config: str | None = None
) -> RowSource:
    """The rows of a file, a directory or a data set of the hub, read as they are asked for.

    Args:
        path: As for `load`, but no mixture.

    Raises:
        DataError: If it cannot be read, or nothing says which split is meant.
        FileNotFoundError: If there is no such file.
        ImportError: If it needs the extra `data`.
    """
    path = _there(path)
    if isinstance(path, Path) and path.is_file():
        for option, value in (("--split", split), ("the configuration", config)):
            if value not in (None, "train"):  # what `datasets` calls the only one
                raise DataError(
                    f"{option} {value}: expected a data set that has some, got a single file",
                    path=path,
                )
        if path.suffix.lower() in (".json", *JSONL_SUFFIXES):
            return RowFile(path)
        if path.suffix.lower() in TABLE_SUFFIXES:
            return TableRows(path)
    if isinstance(path, Path) and path.is_dir() and _rows_alone(path):
        return RowFolder(path)
    from vlreward.data.hub import open_hub

    return open_hub(path, split=split, config=config)


def _there(path: str | Path) -> str | Path:
    """A file or directory that there is, or the name of a data set of the hub."""
    if isinstance(path, str) and path.startswith("hf:"):
        return path
    if not Path(path).exists():
        raise FileNotFoundError(
            f"no file or directory {str(path)!r}; a data set of the Hugging Face hub is written "
            "hf:OWNER/NAME"
        )
    return Path(path)


def _check(name: str, value: str, *known: str) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected {', '.join(known[:-1])} or {known[-1]}, got {value!r}")


def _rows_alone(path: Path) -> bool:
    """Whether a directory holds files of rows, and is none that `datasets` wrote or reads."""
    saved = ("state.json", "dataset_dict.json")
    if any((path / name).is_file() for name in saved) or next(path.rglob("*.parquet"), None):
        return False
    return bool(RowFolder(path).files())
