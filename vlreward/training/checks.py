"""Looking at images before the first step, so that no run dies of one in its middle."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vlreward.data import DataError, Dataset, RowProblem
from vlreward.data.images import image_size, open_image
from vlreward.geometry import Size
from vlreward.resizing import Resizing
from vlreward.training.columns import size_problem
from vlreward.types import Sample

__all__ = ["SAMPLE_SIZE", "check_images"]

SAMPLE_SIZE = 1_000
"""Images that the mode `sample` decodes, at most."""
_CHUNK = 512


def check_images(
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
    if mode not in ("all", "headers", "sample", "none"):
        raise ValueError(f"expected mode 'all', 'headers', 'sample' or 'none', got {mode!r}")
    if mode == "none" or dataset.images is None:
        return 0
    first: dict[tuple[str | None, Size | None], int] = {}
    for index, sample in enumerate(dataset):
        first.setdefault((sample.image, sample.image_size), index)
    indices = list(first.values())
    if mode == "sample" and len(indices) > SAMPLE_SIZE:
        indices = sorted(random.Random(0).sample(indices, SAMPLE_SIZE))

    def look(index: int) -> RowProblem | None:
        try:
            _look(dataset, dataset[index], resizing, decode=mode != "headers")
        except ValueError as error:
            return RowProblem(dataset.row_numbers[index], str(error))
        return None

    threads = threads or min(32, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        found = _watched(_mapped(pool, look, indices), len(indices))
        problems = [problem for problem in found if problem is not None]
    if problems:
        raise DataError(
            f"expected readable images, got {len(problems)} bad among {len(indices)}",
            path=dataset.provenance.path,
            problems=problems,
        )
    return len(indices)


def _look(dataset: Dataset, sample: Sample, resizing: Resizing, *, decode: bool) -> None:
    assert dataset.images is not None
    source = dataset.images.source(sample.image or "")
    size = Size(*open_image(source).size) if decode else image_size(source)
    resizing.size(size)
    if (problem := size_problem(sample, size)) is not None:
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
