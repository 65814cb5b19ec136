"""Adapts what trainers pass to what `scoring` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vlreward.frames import Frame, ModelFamily, family_of
from vlreward.geometry import Size
from vlreward.golds import Envelope, unpack
from vlreward.types import Completion, Sample

__all__ = ["RowReader", "to_completions"]

_unpack_cached = lru_cache(maxsize=16_384)(unpack)
_NOT_GIVEN = object()


def to_completions(
    completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None, truncated: Any
) -> list[Completion]:
    """Completions as texts, from strings or message lists.

    Args:
        completions: Strings, or lists of messages of which the last one's content is the text;
            a content may be a string or a list of parts.
        completion_ids: Token ids of each completion, for its length, if the trainer passes them.
        truncated: One flag for each completion, if the trainer knows.

    Raises:
        TypeError: If a completion is neither.
    """
    if truncated is not None:
        _check_length("truncated", truncated, len(completions))
    result = []
    for i, completion in enumerate(completions):
        text = completion if isinstance(completion, str) else _content(completion, i)
        result.append(
            Completion(
                text,
                False if truncated is None else bool(truncated[i]),
                None if completion_ids is None else len(completion_ids[i]),
            )
        )
    return result


def _content(completion: Any, row: int) -> str:
    try:
        content = completion[-1]["content"] if completion else ""
    except (TypeError, KeyError, IndexError):
        raise TypeError(
            f"expected completion {row} as a string or a list of messages with 'content', "
            f"got {type(completion).__name__}: {str(completion)[:100]!r}"
        ) from None
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    return "".join(part.get("text", "") for part in content)


def _check_length(name: str, column: Any, n: int) -> None:
    if len(column) != n:
        raise ValueError(f"expected {n} values in column {name!r}, got {len(column)}")


@dataclass(frozen=True, slots=True)
class RowReader:
    """Builds the sample of each row: gold, image size and frame, from where they are given.

    Each of image size, input size and frame comes from the explicit column of that name, else from
    the gold envelope, else from this reader's own settings and the image column.
    """

    task: str
    """Task whose rows are read; other rows give None."""
    frame: Frame | None = None
    """Frame of predicted boxes where no row says one."""
    family: ModelFamily | None = None
    """Model family, for the frame and for the input size by `smart_resize`."""

    def samples(
        self, n: int, solution: Sequence[Any] | None, columns: dict[str, Any]
    ) -> list[Sample | None]:
        """One sample per row, None for rows of another task.

        Args:
            n: Number of completions.
            solution: Golds, one per row.
            columns: The trainer's other columns; used are `task`, `image_size`, `input_size`,
                `frame`, `image`, `images`.

        Raises:
            ValueError: If a column is missing, too short, or holds a bad value; names the row.
        """
        if solution is None:
            raise ValueError(
                f"the {self.task} reward needs a column 'solution' with the golds; the columns "
                f"are {sorted(columns) or 'none'}"
            )
        _check_length("solution", solution, n)
        used = {
            name: columns[name]
            for name in ("task", "image_size", "input_size", "frame", "image", "images")
            if columns.get(name) is not None
        }
        for name, column in used.items():
            _check_length(name, column, n)
        tasks = used.pop("task", None)
        rows: list[Sample | None] = []
        for i in range(n):
            if tasks is not None and tasks[i] is not None and tasks[i] != self.task:
                rows.append(None)
                continue
            try:
                rows.append(self._sample(solution[i], {k: v[i] for k, v in used.items()}, tasks))
            except ValueError as error:
                raise ValueError(f"row {i} of the batch: {error}") from None
        return rows

    def _sample(self, gold: Any, row: dict[str, Any], tasks: Any) -> Sample | None:
        if gold is None:
            if tasks is not None:
                raise ValueError(f"task is {self.task!r} but solution is None")
            return None
        if isinstance(gold, str):
            envelope = _unpack_cached(gold, self.task)
        else:
            envelope = unpack(gold, self.task)
        if envelope.gold.task != self.task:
            return None
        if self.task != "rec":
            return _plain_sample(envelope)
        return self._boxed_sample(envelope, row)

    def _boxed_sample(self, envelope: Envelope, row: dict[str, Any]) -> Sample:
        frame = row.get("frame") or envelope.frame or self.frame
        if frame is None and self.family is not None:
            frame = self.family.frame
        if frame is None:
            raise ValueError(
                "the coordinate frame of predicted boxes is not declared: add a column 'frame' "
                f"(one of {', '.join(f.value for f in Frame)}), use gold envelopes "
                "(vlreward.golds.pack), or configure the reward, e.g. "
                "TaskReward('rec', family='qwen2.5-vl')"
            )
        frame = _frame(frame)
        image_size = row.get("image_size") or envelope.image_size
        if image_size is None:
            image_size = _size_of_image(row)
        input_size = row.get("input_size") or envelope.input_size
        if image_size is not None:
            image_size = Size.from_sequence(image_size)
            if input_size is None and self.family is not None:
                input_size = self.family.input_size(image_size)
        if input_size is not None:
            input_size = Size.from_sequence(input_size)
        for column, size, needed in (
            ("image_size", image_size, frame is not Frame.ORIGINAL_PX),
            ("input_size", input_size, frame is Frame.INPUT_PX),
        ):
            if needed and size is None:
                raise ValueError(
                    f"boxes in frame {frame.value!r} need a size that is not given: add a column "
                    f"{column!r} with (width, height) in pixels, or use gold envelopes "
                    "(vlreward.golds.pack)"
                )
        return Sample(
            id="row", gold=envelope.gold, image_size=image_size, input_size=input_size, frame=frame
        )


@lru_cache(maxsize=16_384)
def _plain_sample(envelope: Envelope) -> Sample:
    return Sample(id="row", gold=envelope.gold)


def _frame(value: Any) -> Frame:
    try:
        return Frame(value)
    except ValueError:
        known = ", ".join(f.value for f in Frame)
        raise ValueError(f"expected a frame, one of {known}; got {value!r}") from None


def _size_of_image(row: dict[str, Any]) -> Any:
    image = row.get("image")
    if image is None:
        image = row.get("images")
    if isinstance(image, (list, tuple)):
        image = image[0] if image else None
    return getattr(image, "size", None)


def as_family(value: str | ModelFamily | None) -> ModelFamily | None:
    """A family by name, or as it is."""
    return family_of(value) if isinstance(value, str) else value
