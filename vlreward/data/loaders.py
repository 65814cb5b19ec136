"""`load`: one function for every schema and file format; `load_mixture` for several at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError
from vlreward.data.folder import RowFolder
from vlreward.data.images import ImageFolder, ImageSource
from vlreward.data.missing import check_images
from vlreward.data.mixture import joined, read_entries
from vlreward.data.reader import RowReader, RowSource
from vlreward.data.rows import JSONL_SUFFIXES, RowFile
from vlreward.data.sampling import Sampler, Strategy
from vlreward.data.schemas import named_schema

__all__ = ["load", "load_mixture"]


def load(
    path: str | Path,
    *,
    task: str | None = None,
    schema: str | None = None,
    split: str | None = None,
    image_root: str | Path | None = None,
    flat_images: bool = False,
    on_missing: Literal["error", "skip", "keep"] = "error",
    on_bad_gold: Literal["error", "skip"] = "error",
    read_sizes: bool = False,
    box_tolerance: float = 2.0,
    check_gold: Callable[[str], object] | None = None,
    name: str | None = None,
) -> Dataset:
    """Load and validate a data set.

    Args:
        path: A `.json` list, a `.jsonl` file, a `.yaml` mixture (see `load_mixture`), a
            `.parquet` file, a directory saved by `datasets` or holding Parquet files, or
            `hf:OWNER/NAME` for a data set of the Hugging Face hub. The last three need the extra
            `data`.
        task: Task of the golds. Only needed where the data does not tell: texts that are all
            whole numbers could be counts or expressions.
        schema: A name from `all_schemas()`; by default recognised from the keys of the first row.
        split: Split of a Hugging Face data set; needed if there are several.
        image_root: Directory of the images, see `resolve_image`. Without it the images are not
            looked for, and cannot be opened through the data set.
        flat_images: Look for every image directly in `image_root`, under its base name. Only for
            data whose base names differ: GeoQA's `train/0.png` and `test/0.png` would be one.
        on_missing: What to do about images that do not exist, see `check_images`: `error`; `skip`
            their rows and say so in `provenance.skipped`; or `keep` for not looking yet, to
            sample first. A row never gets another row's image.
        on_bad_gold: `error` or `skip` for golds that are no golds, e.g. inverted boxes.
        read_sizes: Read sizes that the rows lack from the headers of the images, and compare the
            sizes that they have; needs `image_root` or embedded images.
        box_tolerance: Pixels by which a gold box may leave the image before it is noted in
            `provenance.notes`. The published boxes leave it by up to about one pixel.
        check_gold: Called with the text of each different gold (`Gold.text`) in place of its own
            `check`; raises ValueError for one that no answer could be compared with.
        name: Name of the data set; by default the stem of the file name.

    Returns:
        The samples in the order of the rows. A row without an id gets `NAME/ROW`, with the
        number of its row counted from 1.

    Raises:
        DataError: If the file or any row is bad. Lists the first ten rows at fault and the count.
        ImportError: If a Hugging Face data set is asked for without the extra `data`.
        FileNotFoundError: If there is no such file.
    """
    if on_missing not in ("error", "skip", "keep"):
        raise ValueError(f"on_missing: expected 'error', 'skip' or 'keep', got {on_missing!r}")
    if on_bad_gold not in ("error", "skip"):
        raise ValueError(f"on_bad_gold: expected 'error' or 'skip', got {on_bad_gold!r}")
    if isinstance(path, Path) or not path.startswith("hf:"):
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(
                f"no file or directory {str(path)!r}; a data set of the Hugging Face hub is "
                "written hf:OWNER/NAME"
            )
    options: dict[str, Any] = {
        "task": task,
        "schema": schema,
        "image_root": image_root,
        "flat_images": flat_images,
        "on_missing": on_missing,
        "on_bad_gold": on_bad_gold,
        "read_sizes": read_sizes,
        "box_tolerance": box_tolerance,
        "check_gold": check_gold,
    }
    if isinstance(path, Path) and path.suffix.lower() in (".yaml", ".yml"):
        return load_mixture(path, name=name, **options)
    images: ImageSource | None = None
    if image_root is not None:
        images = ImageFolder(Path(image_root), flat_images)
        if not images.root.is_dir():
            raise DataError("expected the directory of the images", path=image_root)
    source: RowSource
    if isinstance(path, Path) and path.suffix.lower() in (".json", *JSONL_SUFFIXES):
        source = RowFile(path)
    elif isinstance(path, Path) and path.is_dir() and _rows_alone(path):
        source = RowFolder(path)
    else:
        from vlreward.data.hub import open_hub

        source = hub = open_hub(path, split=split)
        images = hub.images or images
    if read_sizes and images is None:
        raise DataError("read_sizes needs the images: give image_root=...", path=path)
    if name is None:
        name = path.stem if isinstance(path, Path) else path.rpartition("/")[2]
    reader = RowReader(
        path=path,
        name=name,
        schema=named_schema(schema),
        task=task,
        images=images,
        on_bad_gold=on_bad_gold,
        read_sizes=read_sizes,
        box_tolerance=box_tolerance,
        check_gold=check_gold,
    )
    dataset = reader.dataset(source)
    return dataset if images is None or on_missing == "keep" else check_images(dataset, on_missing)


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
    `image_root`, `task`, `schema` and `name`.

    Args:
        path: The YAML file.
        root: Directory that relative paths start from; by default that of the YAML file.
        seed: Seed for the strategy `random`. (The originals leave it to chance.)
        sampling: See `Sampler`.
        name: Name of the mixture; by default the stem of the YAML file.
        **options: Passed on to `load` for each data set, unless its entry says otherwise.

    Raises:
        DataError: If the file is no such list, or a data set is bad.
        FileNotFoundError: If a data set does not exist.
    """
    path = Path(path)
    base = Path(root) if root is not None else path.parent
    sampler = Sampler(seed, sampling)
    parts = []
    for number, entry in enumerate(read_entries(path), 1):
        where = f"datasets, entry {number}"
        own: dict[str, Any] = {k: entry[k] for k in ("task", "schema", "name") if k in entry}
        if "image_root" in entry:
            own["image_root"] = base / str(entry["image_root"])
        file = str(entry["json_path"])
        source: str | Path = file if file.startswith("hf:") else base / file
        try:
            strategy = Strategy.parse(str(entry.get("sampling_strategy", "all")))
        except ValueError as error:
            raise DataError(f"{where}: {error}", path=path) from None
        parts.append(sampler.take(load(source, **{**options, **own}), strategy))
    return joined(parts, path, name or path.stem)


def _rows_alone(path: Path) -> bool:
    """Whether a directory holds files of rows, and is none that `datasets` wrote or reads."""
    saved = ("state.json", "dataset_dict.json")
    if any((path / name).is_file() for name in saved) or next(path.rglob("*.parquet"), None):
        return False
    return bool(RowFolder(path).files())
