"""Adapts what trainers pass to what `scoring` takes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from operator import is_
from typing import Any

from vlreward._messages import said, thought, with_thinking
from vlreward._text import short
from vlreward.answer_frames import AnswerFrames
from vlreward.frames import Frame, MissingSizeError, ModelFamily, family_of
from vlreward.geometry import Size
from vlreward.golds import Envelope, read_gold
from vlreward.task import TaskSpec
from vlreward.types import Completion, Gold, Row

__all__ = ["PLACE", "ROW_COLUMNS", "GoldColumns", "as_family", "to_completions", "to_texts"]

PLACE = ("frame", "axis_order", "image_size", "input_size")
"""Columns that say where the coordinates of an answer lie."""
ROW_COLUMNS = (*PLACE, "metadata", "image", "images")
"""Columns that say something of a row beside its gold and its task."""
_TEXT = frozenset((str,))
_FRAMES = {frame.value: frame for frame in Frame}
_NO_ENVELOPE = Envelope.model_construct(gold=Gold.model_construct(task="none"))


@lru_cache(maxsize=16_384)
def _read_text(gold: str, task: str, kind: type[Gold]) -> Gold | Envelope:
    return read_gold(gold, task, kind)


@lru_cache
def _say_if_misspelt(task: Any, mine: str) -> None:
    """Rows of any other task are none of ours, and one that is misspelt would never be any's."""
    from vlreward.tasks import TASKS

    if task not in TASKS and get_close_matches(str(task), [mine], 1, 0.8):
        logging.getLogger(__name__).warning(
            "rows of the task %r are not rewarded by the task %r; is one of the names misspelt?",
            task,
            mine,
        )


def to_completions(
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]] | None,
    truncated: Sequence[Any] | None,
    first: int = 0,
) -> list[Completion]:
    """`to_texts`, with what the trainer knows of each text.

    Args:
        completions: As for `to_texts`.
        completion_ids: Token ids of each completion, for its length, if the trainer passes them.
        truncated: One flag for each completion, if the trainer knows.
        first: Number of the first one, for error messages.

    Raises:
        TypeError: As `to_texts`.
    """
    texts = to_texts(completions, first)
    if completion_ids is None and truncated is None:
        return [Completion(text) for text in texts]
    lengths = [None] * len(texts) if completion_ids is None else map(len, completion_ids)
    cut = [False] * len(texts) if truncated is None else map(bool, truncated)
    return [Completion(*fields) for fields in zip(texts, cut, lengths, strict=True)]


def to_texts(completions: Sequence[Any], first: int = 0) -> list[str]:
    """The texts of completions that are strings or message lists.

    Args:
        completions: Strings, or lists of messages of which the last one's content is the text, with
            the thinking in its tags that a parser took out of it; a content may be a string or a
            list of parts.
        first: Number of the first one, for error messages.

    Raises:
        TypeError: If a completion is neither.
    """
    try:  # nearly always message lists with a role and text
        lasts = [completion[-1] for completion in completions]
        texts = [last["content"] for last in lasts]
    except (TypeError, KeyError, IndexError):
        lasts, texts = [], [None]
    if not _TEXT.issuperset(map(type, texts)) or max(map(len, lasts), default=0) > 2:
        texts = [
            completion if isinstance(completion, str) else _content(completion, i)
            for i, completion in enumerate(completions, first)
        ]
    return texts


def _content(completion: Any, row: int) -> str:
    try:
        empty = completion is None or not len(completion)
        message = {"content": ""} if empty else completion[-1]
        return with_thinking(said(message["content"]), thought(message))
    except (TypeError, KeyError, IndexError):
        raise TypeError(
            f"expected completion {row} as a string or a list of messages with 'content', "
            f"got {type(completion).__name__}: {str(completion)[:100]!r}"
        ) from None


@dataclass(frozen=True, slots=True)
class GoldColumns:
    """Reads each row's gold, sizes, frame and the rest, from where they are given.

    Each comes from the explicit column of its name, else from the gold envelope, else from the
    image column and what is declared for all rows.
    """

    task: TaskSpec
    """Task whose rows are read; other rows give None."""
    frames: AnswerFrames
    """What is declared for all rows of frame, axis order and sizes."""

    def check(
        self, n: int, solution: Sequence[Any] | None, columns: dict[str, Any]
    ) -> dict[str, Sequence[Any]]:
        """The columns that rows are read from, each of `n` values, `solution` among them.

        Raises:
            ValueError: If `solution` is missing or a column has another length.
        """
        if solution is None:
            raise ValueError(
                f"the {self.task.name} reward needs a column 'solution' with the golds: rename "
                f"yours; the columns are {sorted(columns) or 'none'}"
            )
        given = {**columns, "solution": solution}
        used = {
            name: given[name]
            for name in ("solution", "task", *ROW_COLUMNS)
            if given.get(name) is not None
        }
        for name, column in used.items():
            if isinstance(column, str) or len(column) != n:
                got = short(column) if isinstance(column, str) else len(column)
                raise ValueError(
                    f"expected a list of {n} values in column {name!r}, one for each completion, "
                    f"got {got}"
                )
        return used

    def rows(self, columns: dict[str, Sequence[Any]], start: int, stop: int) -> list[Row | None]:
        """The rows from `start` to before `stop`; None for those of another task.

        Raises:
            ValueError: If a value is bad or something is not given; names the row.
        """
        rows: list[Row | None] = []
        last: tuple[Any, ...] = ()
        try:
            for given in zip(*(column[start:stop] for column in columns.values())):
                # The completions of a group share their row.
                same = bool(last) and all(map(is_, given, last))
                rows.append(rows[-1] if same else self._row(**dict(zip(columns, given))))
                last = given
        except ValueError as error:
            raise ValueError(f"row {start + len(rows)} of the batch: {error}") from None
        return rows

    def row(self, gold: Any, given: dict[str, Any]) -> Row | None:
        """One row, from its gold and values by the names of columns; see `rows`."""
        known = ("task", *ROW_COLUMNS)
        return self._row(gold, **{name: given[name] for name in known if name in given})

    def _row(
        self,
        solution: Any,
        task: Any = None,
        frame: Any = None,
        image_size: Any = None,
        input_size: Any = None,
        axis_order: Any = None,
        metadata: Any = None,
        image: Any = None,
        images: Any = None,
    ) -> Row | None:
        mine = self.task
        if task is None and solution is None:
            return None
        if task is not None and task != mine.name:
            _say_if_misspelt(task, mine.name)
            return None
        read: Gold | Envelope
        if isinstance(solution, (Envelope, Gold)):
            read = solution
        elif isinstance(solution, str):
            read = _read_text(solution, mine.name, mine.gold)
        else:
            read = read_gold(solution, mine.name, mine.gold)
        envelope = _NO_ENVELOPE
        if isinstance(read, Envelope):
            envelope, read = read, read.gold
        if read.task != mine.name:
            return None
        if image_size is None:
            image_size = envelope.image_size or _size_of_image(images if image is None else image)
        if input_size is None:
            input_size = envelope.input_size
        if image_size is not None and type(image_size) is not Size:
            image_size = Size.from_sequence(image_size)
        frame = self._frame(frame or envelope.frame)
        if input_size is not None:
            if type(input_size) is not Size:
                input_size = Size.from_sequence(input_size)
        elif image_size is not None:
            input_size = self._input_size(
                image_size, needed=read.located and frame is Frame.INPUT_PX
            )
        try:
            if frame is not None and read.located:
                frame.check_sizes(image_size, input_size)
            target = read.target(image_size, input_size)
        except MissingSizeError as error:
            raise ValueError(
                f"{error}: add a column {error.missing!r} with (width, height) in pixels, or use "
                "gold envelopes (vlreward.golds.pack)"
            ) from None
        return Row(
            mine.name,
            target,
            frame,
            image_size,
            input_size,
            axis_order=self.frames.order_of(axis_order or envelope.axis_order),
            metadata=envelope.metadata if metadata is None else metadata,
        )

    def _input_size(self, size: Size, *, needed: bool) -> Size | None:
        """The size at which the model sees an image, by its processor's limits.

        Where those are not known, the family's defaults: they change nothing of an image that fits
        into the limits of common recipes, and a larger one is not guessed at.
        """
        found = self.frames.seen(None, size)
        if needed and self.frames.assumes(None, found):
            raise ValueError(
                f"an image of {size.width} x {size.height} pixels is seen as large as the model's "
                "processor allows, which is not declared: say TaskReward(..., max_pixels=...) or "
                "TaskReward(..., processor=...), or add a column 'input_size' with (width, height) "
                "in pixels"
            )
        return found

    def _frame(self, name: Any) -> Frame | None:
        """The frame of a name, else of the settings, which must say one if answers need one."""
        own = _FRAMES.get(name) if isinstance(name, str) else None  # quicker than Frame(name)
        frame = self.frames.frame_of(Frame(name) if own is None and name is not None else own)
        if frame is None and self.task.located:
            raise ValueError(
                "the frame of predicted coordinates is not declared: add a column "
                f"'frame' (one of {', '.join(Frame)}), use gold envelopes "
                "(vlreward.golds.pack), or configure the reward, e.g. "
                f"TaskReward({self.task.name!r}, family='qwen2.5-vl')"
            )
        return frame


def _size_of_image(image: Any) -> Any:
    if isinstance(image, (list, tuple)):
        image = image[0] if image else None
    return getattr(image, "size", None)


def as_family(value: str | ModelFamily | None) -> ModelFamily | None:
    """A family by name, or as it is."""
    return family_of(value) if isinstance(value, str) else value
