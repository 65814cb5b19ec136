"""Samples as the columns that trainers and rewards read.

Images are opened, turned upright and resized when a row is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.data import DataError, RowProblem
from vlreward.data.images import ImageSource, open_image
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import pack
from vlreward.prompts import PromptTemplate
from vlreward.resizing import Resizing
from vlreward.types import BoxGold, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COLUMNS", "Columns", "size_problem"]

COLUMNS = ("prompt", "image", "id", "task", "solution", "image_size", "input_size", "frame")
"""The columns of a row. `solution` is a gold envelope (`vlreward.golds`), sizes are
`[width, height]` in pixels, `frame` is that of predicted boxes (None without boxes)."""


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
    """Frame of boxes that the model writes, for rows that declare none."""
    override: bool = False
    """Whether `frame` also holds for rows that declare another one."""

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
        frame = None
        if isinstance(sample.gold, BoxGold):
            frame = self.frame if self.override or sample.frame is None else sample.frame
        sample = sample.model_copy(
            update={"image_size": size, "input_size": Size(*image.size), "frame": frame}
        )
        return {
            "prompt": self.prompts[sample.task].render(sample),
            "image": image,
            "id": sample.id,
            "task": sample.task,
            "solution": pack(sample),
            "image_size": list(size),
            "input_size": list(image.size),
            "frame": None if frame is None else frame.value,
        }

    def open(self, sample: Sample, number: int | None = None) -> Image:
        """The image of a sample, upright and RGB, at its own size."""
        name = sample.image or ""
        try:
            path = self.images.path(name)
            return open_image(self.images.read(name) if path is None else path, where=sample.id)
        except DataError as error:
            raise _located(str(error), self.path, number) from None


def size_problem(sample: Sample, size: Size) -> str | None:
    """What is wrong if an image is not as large as its row says; None if nothing is.

    Only a gold box depends on it: it then refers to another image, or to one that is turned.
    """
    declared = sample.image_size
    if declared is None or declared == size or not isinstance(sample.gold, BoxGold):
        return None
    turned = " (turned upright by its EXIF orientation)" if declared[::-1] == tuple(size) else ""
    return (
        f"the image {sample.image!r} has {size.width} x {size.height} pixels{turned}, but the "
        f"row says {declared.width} x {declared.height}, so its gold box is in another frame"
    )


def _located(problem: str, path: str, number: int | None) -> DataError:
    if number is None:
        return DataError(problem, path=path)
    return DataError("bad row", path=path, problems=[RowProblem(number, problem)])
