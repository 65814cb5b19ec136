"""Samples as the columns that trainers and rewards read.

Images are opened, turned upright and resized when a row is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from vlreward.data import DataError, Dataset, RowProblem
from vlreward.data.images import ImageSource, open_image
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import pack
from vlreward.prompts import PromptTemplate
from vlreward.resizing import Resizing
from vlreward.types import AxisOrder, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COLUMNS", "Columns", "Rows", "size_problem"]

COLUMNS = (
    "prompt", "image", "images", "id", "task", "solution", "image_size", "input_size", "frame",
    "axis_order",
)  # fmt: skip
"""The columns of a row. `images` are all images as the model sees them, `image` is the one that
the gold lies in; `solution` is a gold envelope (`vlreward.golds`), sizes are
`[width, height]` in pixels, `frame` and `axis_order` are those of
predicted coordinates (None without them)."""


@dataclass(frozen=True)
class Columns:
    """Makes `COLUMNS` of samples."""

    path: str
    """Where the samples come from, for errors."""
    images: ImageSource
    """Where the images are."""
    resizing: Resizing
    """How the model's processor resizes images."""
    prompts: dict[str, PromptTemplate]
    """Prompt template of each task."""
    frame: Frame
    """Frame of coordinates that the model writes, for rows that declare none."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a pair the model writes first, for rows that do not say."""
    frame_wins: bool = False
    """Whether `frame` also holds for rows that declare another one."""
    order_wins: bool = False
    """Whether `axis_order` also holds for rows that declare another one."""

    def row(self, sample: Sample, number: int | None = None) -> dict[str, Any]:
        """The columns of one sample.

        Raises:
            DataError: If its image cannot be read or has another size than the row says; names
                the file and the row.
        """
        image = self.open(sample, number)
        size = Size(*image.size)
        if (problem := size_problem(sample, size)) is not None:
            raise _located(problem, self.path, number)
        image = self.resizing.apply(image)
        frame = order = None
        if sample.gold.located:
            frame = self.frame if self.frame_wins else sample.frame or self.frame
            order = self.axis_order if self.order_wins else sample.axis_order or self.axis_order
        sample = sample.model_copy(
            update={
                "image_size": size,
                "input_size": Size(*image.size),
                "frame": frame,
                "axis_order": order,
            }
        )
        return {
            "prompt": self.prompts[sample.task].render(sample),
            "image": image,
            "images": [
                image if name == sample.image else self._seen(name, sample, number)
                for name in sample.images
            ]
            or [image],
            "id": sample.id,
            "task": sample.task,
            "solution": pack(sample),
            "image_size": list(size),
            "input_size": list(image.size),
            "frame": None if frame is None else frame.value,
            "axis_order": order,
        }

    def _seen(self, name: str, sample: Sample, number: int | None) -> Image:
        """Another image of a sample, as the model sees it."""
        try:
            return self.resizing.apply(self.open(sample.model_copy(update={"image": name})))
        except ValueError as error:
            raise _located(str(error), self.path, number) from None

    def open(self, sample: Sample, number: int | None = None) -> Image:
        """The image of a sample, upright and RGB, at its own size."""
        try:
            return open_image(self.images.source(sample.image or ""), where=sample.id)
        except DataError as error:
            raise _located(str(error), self.path, number) from None


class Rows(Sequence[dict[str, Any]]):
    """The rows of a data set with `COLUMNS`, each made when it is asked for.

    Args:
        dataset: Samples; each must have an image.
        columns: How rows are made.

    Raises:
        DataError: If a sample has no image, or a prompt cannot be rendered for it; lists the
            first ten rows and the count. No image is opened.
    """

    def __init__(self, dataset: Dataset, columns: Columns) -> None:
        self.dataset = dataset
        self.columns = columns
        problems = []
        for sample, number in zip(dataset, dataset.row_numbers, strict=True):
            try:
                if sample.image is None:
                    raise ValueError("expected an image; rows without one cannot be mixed in")
                columns.prompts[sample.task].text_for(sample)
            except ValueError as error:
                problems.append(RowProblem(number, str(error)))
        if problems:
            raise DataError(
                f"expected rows to train on, got {len(problems)} bad",
                path=dataset.provenance.path,
                problems=problems,
            )

    def __len__(self) -> int:
        return len(self.dataset)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return self.columns.row(self.dataset[index], self.dataset.row_numbers[index])


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


def _located(problem: str, path: str, number: int | None) -> DataError:
    if number is None:
        return DataError(problem, path=path)
    return DataError("bad row", path=path, problems=[RowProblem(number, problem)])
