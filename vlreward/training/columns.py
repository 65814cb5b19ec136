"""Samples as the columns that trainers and rewards read.

Images are opened, turned upright and resized when a row is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from vlreward.answer_frames import AnswerFrames
from vlreward.data import DataError, Dataset, RowProblem
from vlreward.data.decoding import size_problem
from vlreward.data.images import open_image
from vlreward.geometry import Size
from vlreward.golds import pack
from vlreward.prompts import PromptTemplate
from vlreward.resizing import Resizing
from vlreward.rewards.inputs import PLACE
from vlreward.types import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COLUMNS", "Rows"]

COLUMNS = ("prompt", "image", "images", "id", "task", "solution", *PLACE)
"""The columns of a row. `images` are all images as the model sees them, `image` is the one that
the gold lies in; `solution` is a gold envelope (`vlreward.golds`), sizes are
`[width, height]` in pixels, `frame` and `axis_order` are those of
predicted coordinates (None without them)."""


@dataclass(frozen=True, eq=False)
class Rows(Sequence[dict[str, Any]]):
    """The rows of a data set with `COLUMNS`, each made when it is asked for.

    Raises:
        DataError: If a sample has no image, or a prompt cannot be rendered for it; lists the
            first ten rows and the count. No image is opened. When a row is asked for: if its image
            cannot be read or has another size than the row says; names the file and the row.
    """

    dataset: Dataset
    """Samples; each must have an image."""
    resizing: Resizing
    """How the model's processor resizes images."""
    prompts: dict[str, PromptTemplate]
    """Prompt template of each task."""
    frames: AnswerFrames
    """What is declared for all rows of how the model writes coordinates."""

    def __post_init__(self) -> None:
        problems = []
        for sample, number in zip(self.dataset, self.dataset.row_numbers, strict=True):
            try:
                if sample.image is None:
                    raise ValueError("expected an image; rows without one cannot be mixed in")
                self.prompts[sample.task].text_for(sample)
            except ValueError as error:
                problems.append(RowProblem(number, str(error)))
        if problems:
            raise DataError(
                f"expected rows to train on, got {len(problems)} bad",
                path=self.dataset.provenance.path,
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
        try:
            return self.row(self.dataset[index])
        except ValueError as error:
            problem = RowProblem(self.dataset.row_numbers[index], str(error))
            path = self.dataset.provenance.path
            raise DataError("bad row", path=path, problems=[problem]) from None

    def row(self, sample: Sample) -> dict[str, Any]:
        """The columns of one sample.

        Raises:
            ValueError: If its image cannot be read or has another size than the row says.
        """
        image = self._opened(sample, sample.image)
        size = Size(*image.size)
        if (problem := size_problem(sample, size)) is not None:
            raise ValueError(problem)
        image = self.resizing.apply(image)
        frame = order = None
        if sample.gold.located:
            frame = self.frames.frame_of(sample.frame)
            order = self.frames.order_of(sample.axis_order)
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
                image if name == sample.image else self.resizing.apply(self._opened(sample, name))
                for name in sample.images
            ]
            or [image],
            "id": sample.id,
            "task": sample.task,
            "solution": pack(sample),
            "frame": None if frame is None else frame.value,
            "axis_order": order,
            "image_size": list(size),
            "input_size": list(image.size),
        }

    def _opened(self, sample: Sample, name: str | None) -> Image:
        """An image of a sample, upright and RGB, at its own size."""
        assert self.dataset.images is not None
        return open_image(self.dataset.images.source(name or ""), where=sample.id)
