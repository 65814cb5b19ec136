"""Rows whose image is missing or cannot be used: an error, or left out and reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError, FetchError, MissingImagesError, RowProblem
from vlreward.data.image_values import RowImages
from vlreward.data.images import MAX_PIXELS, ImageFolder, ImageSource, image_size
from vlreward.resizing import MAX_RATIO

__all__ = ["check_images", "without"]


def check_images(
    dataset: Dataset,
    on_missing: Literal["error", "skip"] = "error",
    on_bad_image: Literal["error", "skip"] = "error",
) -> Dataset:
    """Look for the images of every sample: whether they are there, not what is in them.

    The option `--check_images` of training and of `vlreward data check` says how many images that
    are there are decoded as well: see `vlreward.data.decoding.decode_images`.

    Args:
        dataset: Samples with an image source.
        on_missing: `error`, or `skip` to leave out the samples one of whose images does not exist
            or cannot be downloaded; they are listed in `provenance.skipped`.
        on_bad_image: With `skip` the headers of all images are read, and samples are left out
            whose image is none, has more pixels than are decoded, or sides of a ratio above 200,
            which the families refuse. With `error` no image is opened.

    Returns:
        The data set, without the samples that were left out.

    Raises:
        MissingImagesError: If images are missing; lists the first ten and the count.
        DataError: If a name leaves the image root, if there is no image source, or if no sample
            is left.
    """
    source = dataset.images
    if source is None:
        raise DataError("no image root: give --image-root", path=dataset.provenance.path)
    if (prefetch := getattr(source, "prefetch", None)) is not None:
        prefetch(name for sample in dataset for name in sample.every_image)
    seen: dict[str, RowProblem | None] = {}
    outside: list[RowProblem] = []
    missing: list[str] = []
    dropped: dict[int, RowProblem] = {}
    for index, sample in enumerate(dataset):
        row = dataset.row_numbers[index]
        for name in sample.every_image:
            if name not in seen:
                try:
                    seen[name] = _looked_at(source, name, row, on_bad_image == "skip")
                except DataError as error:
                    outside.append(RowProblem(row, str(error)))
                    seen[name] = None
                if seen[name] is not None and seen[name].kind == "missing_image":  # type: ignore[union-attr]
                    missing.append(name)
            if (problem := seen[name]) is not None:
                dropped.setdefault(index, replace(problem, row=row))
    path_of_data = dataset.provenance.path
    if outside:
        raise DataError(
            "expected images inside the image root", path=path_of_data, problems=outside
        )
    if not dropped:
        return dataset
    gone = [problem for problem in dropped.values() if problem.kind == "missing_image"]
    if gone and on_missing == "error":
        raise MissingImagesError(
            f"expected every image to exist, got {len(missing)} missing images, which "
            f"{len(gone)} of {len(dataset)} samples name. {_remedy(dataset, missing)}",
            path=path_of_data,
            problems=[problem for problem in map(seen.get, missing) if problem is not None],
        )
    return without(dataset, dropped)


def without(dataset: Dataset, dropped: Mapping[int, RowProblem]) -> Dataset:
    """The samples but for those at some positions; what is wrong with these stands in `skipped`.

    Raises:
        DataError: If none is left.
    """
    problems = tuple(dropped.values())
    kept = [index for index in range(len(dataset)) if index not in dropped]
    if not kept:
        raise DataError(
            f"no sample is left: all {len(dataset)} lack a usable image",
            path=dataset.provenance.path,
            problems=problems,
        )
    rest = dataset.select(kept, None)
    rest.provenance = replace(rest.provenance, skipped=(*dataset.provenance.skipped, *problems))
    return rest


def _looked_at(source: ImageSource, name: str, row: int, headers: bool) -> RowProblem | None:
    """What is wrong with an image, None if nothing is.

    Raises:
        DataError: If there can be no such image.
    """
    if not headers and isinstance(source, RowImages) and source.is_there(name):
        return None
    try:
        image = source.source(name)
    except (FetchError, MissingImagesError) as error:
        return RowProblem(row, str(error), kind="missing_image")
    if isinstance(image, Path) and not image.is_file():
        return RowProblem(row, f"no image {str(image)!r}", kind="missing_image")
    if headers:
        try:
            width, height = image_size(image)
            if width * height > MAX_PIXELS:
                raise DataError(f"the image has {width} x {height} pixels, more than {MAX_PIXELS}")
            if max(width, height) > MAX_RATIO * min(width, height):
                raise DataError(f"the image of {width} x {height} pixels is too narrow")
        except DataError as error:
            return RowProblem(row, str(error), kind="bad_image")
    return None


def _remedy(dataset: Dataset, names: list[str]) -> str:
    folder = dataset.images
    if isinstance(folder, ImageFolder) and not folder.flat:
        flat = replace(folder, flat=True)
        if all(flat.source(name).is_file() for name in names):
            return (
                "Files of these base names lie directly in the image root: if they are the same "
                "images, say --flat-images"
            )
    return "Give the right image root, or leave these rows out with --on-missing skip"
