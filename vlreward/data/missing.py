"""Rows whose image does not exist: an error, or dropped and reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError, MissingImagesError, RowProblem
from vlreward.data.images import ImageFolder

__all__ = ["check_images"]


def check_images(dataset: Dataset, on_missing: Literal["error", "skip"] = "error") -> Dataset:
    """Look for the image of every sample.

    Args:
        dataset: Samples with an image source.
        on_missing: `error`, or `skip` to leave out the samples whose image does not exist; they
            are listed in `provenance.skipped`.

    Returns:
        The data set, without the samples that were left out.

    Raises:
        MissingImagesError: If images are missing; lists the first ten and the count.
        DataError: If a name leaves the image root, if there is no image source, or if no sample
            is left.
    """
    source = dataset.images
    if source is None:
        raise DataError("no image root: give image_root=...", path=dataset.provenance.path)
    found: set[str] = set()
    outside: list[RowProblem] = []
    missing: dict[str, list[int]] = {}
    for index, sample in enumerate(dataset):
        name = sample.image
        if name is None or name in found:
            continue
        if name not in missing:
            try:
                image = source.source(name)
            except DataError as error:
                outside.append(RowProblem(dataset.row_numbers[index], str(error)))
                continue
            if isinstance(image, bytes) or image.is_file():
                found.add(name)
                continue
        missing.setdefault(name, []).append(index)
    path_of_data = dataset.provenance.path
    if outside:
        raise DataError(
            "expected images inside the image root", path=path_of_data, problems=outside
        )
    if not missing:
        return dataset
    dropped = sorted(index for indices in missing.values() for index in indices)
    if on_missing == "error":
        raise MissingImagesError(
            f"expected every image to exist, got {len(missing)} missing images, which "
            f"{len(dropped)} of {len(dataset)} samples name. {_remedy(dataset, list(missing))}",
            path=path_of_data,
            problems=[_problem(dataset, name, indices[0]) for name, indices in missing.items()],
        )
    gone = set(dropped)
    problems = [_problem(dataset, dataset[index].image or "", index) for index in dropped]
    kept = [index for index in range(len(dataset)) if index not in gone]
    if not kept:
        raise DataError(
            f"no sample is left: all {len(dataset)} lack their image",
            path=path_of_data,
            problems=problems,
        )
    rest = dataset.select(kept, None)
    rest.provenance = replace(rest.provenance, skipped=(*dataset.provenance.skipped, *problems))
    return rest


def _problem(dataset: Dataset, name: str, index: int) -> RowProblem:
    assert dataset.images is not None
    path = str(dataset.images.source(name))
    return RowProblem(dataset.row_numbers[index], f"no image {path!r}", kind="missing_image")


def _remedy(dataset: Dataset, names: list[str]) -> str:
    folder = dataset.images
    if isinstance(folder, ImageFolder) and not folder.flat:
        flat = replace(folder, flat=True)
        if all(flat.source(name).is_file() for name in names):
            return (
                "Files of these base names lie directly in the image root: if they are the same "
                "images, say --flat-images (in Python flat_images=True)"
            )
    return (
        "Give the right image root, or leave these rows out with --on-missing skip (in Python "
        "on_missing='skip'):"
    )
