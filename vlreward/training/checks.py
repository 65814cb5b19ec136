"""Looking at the lengths of rows before the first step, so that no run dies of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlreward.data import DataError, RowProblem
from vlreward.data.images import image_size
from vlreward.training.columns import Rows
from vlreward.types import Sample

__all__ = ["check_lengths"]


def check_lengths(
    rows: Rows,
    words: Callable[[list[Any]], int],
    completion: int,
    limit: int,
    option: str = "",
) -> None:
    """Check that a model can read every prompt with its images, and a completion behind it.

    Args:
        rows: The rows.
        words: The tokens of chat messages, an image counted as one.
        completion: Tokens of the longest completion.
        limit: Tokens that the model reads.
        option: The option that set the limit, if not the model.

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
            f"--max_completion_length{option and f' and {option}'}",
            path=dataset.provenance.path,
            problems=problems,
        )
