"""Images are decoded before they are needed, so that no run dies of one in its middle."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError, RowProblem
from vlreward.data.images import image_size, open_image
from vlreward.data.missing import without
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward.resizing import Resizing
from vlreward.types import Sample

__all__ = [
    "CHECKS",
    "SAMPLE_SIZE",
    "decode_images",
    "refuse_unseen",
    "size_problem",
    "with_good_images",
]

CHECKS = ("all", "headers", "sample", "none")
"""How images can be checked; see `decode_images`."""
SAMPLE_SIZE = 1_000
"""Images that the mode `sample` decodes, at most."""
_CHUNK = 512


def refuse_unseen(on_bad_image: str, mode: str) -> None:
    """Refuse to leave out bad images without a look at any.

    Raises:
        OptionError: Says what to give instead.
    """
    if on_bad_image == "skip" and mode == "none":
        raise OptionError(
            "--on-bad-image skip: expected images to be looked at, got --check-images none: give "
            "--check-images headers, which decodes none, or leave out --on-bad-image"
        )


def decode_images(
    dataset: Dataset,
    resizing: Resizing,
    mode: str = "all",
    *,
    threads: int | None = None,
) -> int:
    """Check that the images can be read, resized, and have the sizes that the rows declare.

    Args:
        dataset: Samples with images.
        resizing: How the model's processor resizes images.
        mode: `all` decodes every different image; `headers` reads only their headers, which
            finds files that are no images but no truncated ones; `sample` decodes `SAMPLE_SIZE`
            of them, always the same; `none` does nothing.
        threads: Threads to use; by default as many as there are cores, at most 32. Decoding does
            not hold Python's lock.

    Returns:
        The number of different images that were looked at.

    Raises:
        DataError: If images are unreadable, too thin, or of another size than their rows say;
            lists the first ten rows and the count.
        ValueError: If the mode is unknown.
    """
    looked_at, problems = _problems(dataset, resizing, mode, threads)
    if problems:
        found = [replace(problem, row=dataset.row_numbers[i]) for i, problem in problems.items()]
        raise DataError(
            f"expected readable images, got {len(found)} bad among {looked_at}; --on-bad-image "
            "skip leaves their rows out",
            path=dataset.provenance.path,
            problems=found,
        )
    return looked_at


def with_good_images(dataset: Dataset, resizing: Resizing, mode: str = "all") -> Dataset:
    """The samples whose images `decode_images` accepts; the others stand in `skipped`.

    Raises:
        DataError: If none is left.
    """
    _, problems = _problems(dataset, resizing, mode, None)
    if not problems:
        return dataset
    bad = {_key(dataset[index]): problem for index, problem in problems.items()}
    found = ((index, bad.get(_key(sample))) for index, sample in enumerate(dataset))
    rows = dataset.row_numbers
    return without(dataset, {i: replace(p, row=rows[i]) for i, p in found if p is not None})


def size_problem(sample: Sample, size: Size) -> str | None:
    """What is wrong if an image is not as large as its row says; None if nothing is.

    Only a gold that lies in the image depends on it: it then refers to another image, or to one
    that is turned.
    """
    declared = sample.image_size
    if declared is None or declared == size or not sample.gold.located:
        return None
    turned = " (turned upright by its EXIF orientation)" if declared[::-1] == tuple(size) else ""
    return (
        f"the image {sample.image!r} has {size.width} x {size.height} pixels{turned}, but the "
        f"row says {declared.width} x {declared.height}, so its gold is in another frame"
    )


def _problems(
    dataset: Dataset, resizing: Resizing, mode: str, threads: int | None
) -> tuple[int, dict[int, RowProblem]]:
    """How many different images were looked at, and what is wrong, by the first sample's index."""
    if mode not in CHECKS:
        raise ValueError(f"expected mode 'all', 'headers', 'sample' or 'none', got {mode!r}")
    if mode == "none" or dataset.images is None:
        return 0, {}
    first: dict[Any, int] = {}
    for index, sample in enumerate(dataset):
        first.setdefault(_key(sample), index)
    indices = list(first.values())
    if mode == "sample" and len(indices) > SAMPLE_SIZE:
        indices = sorted(random.Random(0).sample(indices, SAMPLE_SIZE))

    def look(index: int) -> tuple[int, RowProblem] | None:
        try:
            _look(dataset, dataset[index], resizing, decode=mode != "headers")
        except ValueError as error:
            return index, RowProblem(0, str(error), kind="bad_image")
        return None

    with ThreadPoolExecutor(threads or min(32, os.cpu_count() or 1)) as pool:
        found = _watched(_mapped(pool, look, indices), len(indices))
        return len(indices), dict(pair for pair in found if pair is not None)


def _key(sample: Sample) -> tuple[Any, ...]:
    return sample.image, sample.images, sample.image_size


def _look(dataset: Dataset, sample: Sample, resizing: Resizing, *, decode: bool) -> None:
    assert dataset.images is not None
    for name in sample.every_image or ("",):
        source = dataset.images.source(name)
        size = Size(*open_image(source).size) if decode else image_size(source)
        resizing.size(size)
        problem = size_problem(sample, size) if name == sample.image else None
        if problem is not None:
            raise ValueError(problem)


def _mapped(
    pool: ThreadPoolExecutor, look: Callable[[int], Any], indices: list[int]
) -> Iterator[Any]:
    """Like `pool.map`, without a future for each of 100,000 images at once."""
    for start in range(0, len(indices), _CHUNK):
        yield from pool.map(look, indices[start : start + _CHUNK])


def _watched(images: Iterable[Any], total: int) -> Iterable[Any]:
    """A progress bar where somebody watches."""
    if not sys.stderr.isatty():
        return images
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(images, description="checking images", total=total, console=console)
