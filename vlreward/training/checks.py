"""Looking at rows before the first step, so that no run dies of one in its middle."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from vlreward.data import DataError, Dataset, RowProblem
from vlreward.data.images import image_size, open_image
from vlreward.data.missing import without
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward.resizing import Resizing
from vlreward.training.arguments import CHECKS
from vlreward.training.columns import Rows, size_problem
from vlreward.types import Sample

__all__ = ["SAMPLE_SIZE", "check_lengths", "decode_images", "refuse_unseen", "with_good_images"]

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


def check_lengths(
    rows: Rows, words: Callable[[list[Any]], int], completion: int, limit: int
) -> None:
    """Check that a model can read every prompt with its images, and a completion behind it.

    Args:
        rows: The rows.
        words: The tokens of chat messages, an image counted as one.
        completion: Tokens of the longest completion.
        limit: Tokens that the model reads.

    Raises:
        DataError: If it cannot; lists the first ten rows and the count.
    """
    dataset, area = rows.dataset, rows.resizing.factor**2
    if not len(rows):
        return
    # A token is a byte at least, but for those that every chat has around its text.
    around = words(rows.prompts[dataset[0].task].render(dataset[0]))
    room = limit - completion
    problems = []
    known: dict[str | None, int] = {}

    def seen(sample: Sample, name: str) -> int:
        if name not in known:
            assert dataset.images is not None
            size = sample.image_size if name == sample.image else None
            try:
                size = rows.resizing.size(size or image_size(dataset.images.source(name)))
                known[name] = size.width * size.height // area
            except ValueError:  # what that image is, others say
                known[name] = 0
        return known[name]

    for sample, number in zip(dataset, dataset.row_numbers, strict=True):
        prompt, names = rows.prompts[sample.task], sample.every_image or ("",)
        most = around + len(prompt.text_for(sample).encode())
        if most + len(names) * rows.resizing.max_pixels // area <= room:
            continue
        image = sum(seen(sample, name) for name in names)
        if most + image <= room:
            continue
        taken = words(prompt.render(sample))
        if taken + image > room:
            text = f"{taken} tokens of the prompt, {image} of its image, {completion} of the answer"
            problems.append(RowProblem(number, text))
    if problems:
        raise DataError(
            f"expected prompts, images and answers of at most {limit} tokens together, got "
            f"{len(problems)} longer ones: leave them out, or see --max_pixels, "
            "--max_completion_length and, with vLLM, --vllm_max_model_length",
            path=dataset.provenance.path,
            problems=problems,
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
