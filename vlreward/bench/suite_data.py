"""Finds and loads the samples of a suite: from files under a data root, or generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from vlreward.bench.options import RunOptions
from vlreward.data.columns import READ_AS, has, parse_columns
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.data.missing import check_images
from vlreward.data.sampling import Sampler
from vlreward.data.suspicious import suspicious_text
from vlreward.errors import OptionError
from vlreward.suite import Suite

__all__ = ["FileColumns", "columns_of_files", "image_source", "load_suite", "read_data"]

_SCENES = 300


def load_suite(suite: Suite, options: RunOptions, file: Path | None, sampler: Sampler) -> Dataset:
    """The samples of a suite, from `file` or else from its own under the data root.

    They are drawn by the one `sampler` of all suites of a run; a subset shows in the name.

    Raises:
        DataError: If the data or its images cannot be found or used.
    """
    remarks = []
    if suite.file is None:
        dataset = _scenes(suite, options.sample_num or options.limit or _SCENES, options.out)
    else:
        whole = _load(suite, options, file)
        dataset = sampler.sample(whole, options.sample_num)
        rows, asked = whole.provenance.rows, options.sample_num
        if asked is not None and asked > rows:
            remarks.append(f"--sample-num {asked}: the data has {rows} rows, and all are taken")
    if options.limit is not None and options.limit < len(dataset):
        dataset = dataset[: options.limit]
    # Only the images of the samples that were drawn need to be there.
    dataset = check_images(dataset, options.on_missing, options.on_bad_image)
    if (doubt := suspicious_text(dataset.provenance)) is not None:
        remarks.append(f"WARNING: {doubt}")
    origin = dataset.provenance
    dataset.provenance = replace(origin, remarks=(*origin.remarks, *remarks))
    return dataset


def _load(suite: Suite, options: RunOptions, path: Path | None) -> Dataset:
    if path is None:
        if not suite.file:
            raise DataError(
                f"{suite.name!r} is a task, whose rows are your own: name them with --data FILE, "
                "or recorded completions with --completions FILE; `vlreward-bench list` shows "
                "the suites that have data"
            )
        if options.data_root is None:
            raise DataError(
                f"suite {suite.name!r} needs its data file {suite.file!r}: give its directory "
                "with --data-root, or the file with --data; `vlreward data fetch` downloads it"
            )
        path = _under(options.data_root, suite.file)
    if not path.exists():
        raise DataError(
            f"expected the data of suite {suite.name!r}, found no such file; `vlreward data fetch "
            f"{suite.fetch or suite.task}` downloads it, --data-root and --data say where it is",
            path=path,
        )
    return read_data(suite, options, path, suite.name)


def _under(root: Path, file: str) -> Path:
    """A suite's file below the data root, or in the one directory of an archive that holds it."""
    if (path := root / file).exists():
        return path  # below may lie 100,000 images
    deeper = [path for above in ("*", "*/*") for path in root.glob(f"{above}/{file}")]
    return deeper[0] if len(deeper) == 1 else path


class FileColumns(NamedTuple):
    """What `--columns` says of recorded completions, and of a data file with their golds."""

    completions: dict[str, str]
    """What is read of the completions, where they have it."""
    data: dict[str, str]
    """What is read of the data file: all that its first row has."""


def columns_of_files(suite: Suite, options: RunOptions, data: Path | None) -> FileColumns:
    """Which file of recorded completions and their data `--columns` is about.

    Args:
        data: The data file, if there is one.

    Raises:
        DataError: If the data cannot be read.
        OptionError: If only the data could have a column and lacks it, or nothing is read as it.
    """
    from vlreward.bench.recorded_keys import PLACES
    from vlreward.data.loaders import open_rows

    # With data the golds are theirs, and so is what is said of them.
    own = set(PLACES) if data is None else set(PLACES) - {"gold_frame"}
    fields = PLACES if data is None else dict.fromkeys((*READ_AS, *PLACES))
    columns = parse_columns(options.columns, tuple(fields))
    completions = {field: name for field, name in columns.items() if field in own}
    if not columns or data is None or not data.exists():
        return FileColumns(completions, {})
    row: Any = {}
    lacking = f"a mixture says the columns of each of its data sets itself, in {data}"
    if data.suffix.lower() not in (".yaml", ".yml"):
        first = next(iter(open_rows(data, split=_split(suite, options, data))), None)
        if first is None:
            raise DataError("expected rows, got none", path=data)
        row = first.value if isinstance(first.value, dict) else {}
        keys = sorted(map(str, row))
        lacking = f"the first row of {data} has no such column; its keys are {keys}"
    of_data = {k: v for k, v in columns.items() if k in READ_AS and has(row, v)}
    for field, name in columns.items():
        if field not in own and field not in of_data:
            raise OptionError(f"--columns {field}={name}: {lacking}")
    return FileColumns(completions, of_data)


def _split(suite: Suite, options: RunOptions, path: Path) -> str | None:
    return options.split or (suite.split if path.is_dir() else None)


def read_data(
    suite: Suite,
    options: RunOptions,
    path: Path,
    name: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """The samples of a suite in a file or directory, with their images if known.

    `columns` take the place of the options' own.

    Raises:
        DataError: If the data cannot be used.
        FileNotFoundError: If there is none.
    """
    from vlreward.data.loaders import load

    images = image_source(suite, options, path)
    return load(
        path,
        task=suite.task,
        columns=options.columns if columns is None else columns,
        gold_frame=options.gold_frame,
        split=_split(suite, options, path),
        schema=options.schema,
        where=options.where,
        on_bad_gold=options.on_bad_gold,
        image_root=images,
        allow_urls=options.allow_urls,
        on_suspicious=options.on_suspicious,
        on_missing="keep",
        name=name,
    )


def image_source(suite: Suite, options: RunOptions, data: Path | None) -> ImageFolder | None:
    """The directory of a suite's images, None if nothing says where they are."""
    root = options.image_root
    if root is None:
        root = options.data_root or (data.parent if data is not None else None)
        if root is not None and suite.images is not None:
            there = (root / suite.images, (root / suite.images).parent)
            root = next((path for path in there if path.is_dir()), root)
    anywhere = options.image_root is None
    return None if root is None else ImageFolder(root, options.flat_images, anywhere)


def _scenes(suite: Suite, n: int, out: Path) -> Dataset:
    import hashlib

    from vlreward.scenes import scenes
    from vlreward.scenes.seeds import Split, TaskName

    folder = out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for scene in scenes(cast("TaskName", suite.task), Split.TEST, n):
        sample = scene.to_sample()
        name = f"{folder.name}/{sample.image}"
        scene.save_image(out / name)
        # How the image is resized, and in which frame boxes are written, is the model's affair.
        samples.append(sample.model_copy(update={"image": name, "input_size": None, "frame": None}))
    golds = "\n".join(f"{sample.id} {sample.gold!r}" for sample in samples)
    provenance = Provenance(
        path="vlreward.scenes",
        schema="scenes",
        sha256=hashlib.sha256(golds.encode()).hexdigest(),
        rows=n,
        task=suite.task,
    )
    name = suite.name if n == suite.n else f"{suite.name}[{n}]"
    return Dataset(name, samples, provenance, ImageFolder(out))
