"""Adapts what trainers pass to what `scoring` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

from vlreward.frames import Frame, ModelFamily, family_of, to_original
from vlreward.geometry import Box, Size
from vlreward.golds import unpack
from vlreward.types import BoxGold, Completion, Row, plain_target

__all__ = ["RowReader", "to_completions", "to_texts"]

_unpack_text = lru_cache(maxsize=16_384)(unpack)
_READ = ("solution", "task", "frame", "image_size", "input_size", "image", "images")
_new: Any = tuple.__new__  # takes half the time of a named tuple's own constructor
_ID = Row._field_defaults["id"]
_TEXT = frozenset((str,))
_ORIGINAL = Frame.ORIGINAL_PX
_FRAMES: dict[Any, Frame] = {frame.value: frame for frame in Frame}


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
        return [_new(Completion, (text, False, None)) for text in texts]
    lengths = [None] * len(texts) if completion_ids is None else map(len, completion_ids)
    cut = [False] * len(texts) if truncated is None else map(bool, truncated)
    return [Completion(*fields) for fields in zip(texts, cut, lengths, strict=True)]


def to_texts(completions: Sequence[Any], first: int = 0) -> list[str]:
    """The texts of completions that are strings or message lists.

    Args:
        completions: Strings, or lists of messages of which the last one's content is the text;
            a content may be a string or a list of parts.
        first: Number of the first one, for error messages.

    Raises:
        TypeError: If a completion is neither.
    """
    try:  # nearly always message lists with text
        texts = [completion[-1]["content"] for completion in completions]
    except (TypeError, KeyError, IndexError):
        texts = [None]
    if not _TEXT.issuperset(map(type, texts)):
        texts = [
            completion if isinstance(completion, str) else _content(completion, i)
            for i, completion in enumerate(completions, first)
        ]
    return texts


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


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads each row's gold, image size and frame, from where they are given.

    Each of image size, input size and frame comes from the explicit column of that name, else from
    the gold envelope, else from the image column and this reader's own settings.
    """

    task: str
    """Task whose rows are read; other rows give None."""
    frame: Frame | None = None
    """Frame of predicted boxes where no row says one."""
    family: ModelFamily | None = None
    """Model family, for the frame and for the input size by `smart_resize`."""

    def check(
        self, n: int, solution: Sequence[Any] | None, columns: dict[str, Any]
    ) -> dict[str, Sequence[Any]]:
        """The columns that rows are read from, each of `n` values, `solution` among them.

        Raises:
            ValueError: If `solution` is missing or a column has another length.
        """
        if solution is None:
            raise ValueError(
                f"the {self.task} reward needs a column 'solution' with the golds; the columns "
                f"are {sorted(columns) or 'none'}"
            )
        given = {**columns, "solution": solution}
        used = {name: given[name] for name in _READ if given.get(name) is not None}
        for name, column in used.items():
            if len(column) != n:
                raise ValueError(f"expected {n} values in column {name!r}, got {len(column)}")
        return used

    def rows(self, columns: dict[str, Sequence[Any]], start: int, stop: int) -> list[Row | None]:
        """The rows from `start` to before `stop`; None for those of another task.

        Raises:
            ValueError: If a value is bad or something is not given; names the row.
        """
        n = stop - start
        parts = [
            columns[name][start:stop] if name in columns else repeat(None, n) for name in _READ
        ]
        mine = self.task
        boxes = mine == "rec"
        known: Row | None = None
        last: Any = None
        rows: list[Row | None] = []
        try:
            for gold, task, frame, image_size, input_size, image, images in zip(*parts):
                if task is not None and task != mine:
                    rows.append(None)
                elif boxes and frame == "original_px" and image_size is image is images is None:
                    # The usual bare gold, without a detour; a group's completions share one.
                    if type(gold) is not list:
                        known = self._row(gold, task, frame, None, input_size, None)
                    elif gold != last:
                        known = _new(Row, (mine, _bare_box(gold), _ORIGINAL, None, None, _ID))
                    last = gold
                    rows.append(known)
                else:
                    seen = images if image is None else image
                    rows.append(self._row(gold, task, frame, image_size, input_size, seen))
        except ValueError as error:
            raise ValueError(f"row {start + len(rows)} of the batch: {error}") from None
        return rows

    def _row(
        self, gold: Any, task: Any, frame: Any, image_size: Any, input_size: Any, image: Any
    ) -> Row | None:
        if gold is None:
            if task is not None:
                raise ValueError(f"task is {self.task!r} but solution is None")
            return None
        envelope = (_unpack_text if isinstance(gold, str) else unpack)(gold, self.task)
        if envelope.gold.task != self.task:
            return None
        if not isinstance(envelope.gold, BoxGold):
            return Row(self.task, plain_target(envelope.gold))
        return self._boxed(
            envelope.gold,
            envelope.frame if frame is None else frame,
            envelope.image_size if image_size is None else image_size,
            envelope.input_size if input_size is None else input_size,
            image,
        )

    def _boxed(self, gold: BoxGold, name: Any, image_size: Any, input_size: Any, image: Any) -> Row:
        family = self.family
        name = name or self.frame or (family.frame if family else None)
        if name is None:
            raise ValueError(
                "the coordinate frame of predicted boxes is not declared: add a column 'frame' "
                f"(one of {', '.join(_FRAMES)}), use gold envelopes (vlreward.golds.pack), or "
                "configure the reward, e.g. TaskReward('rec', family='qwen2.5-vl')"
            )
        frame = _FRAMES.get(name)
        if frame is None:
            raise ValueError(f"expected a frame, one of {', '.join(_FRAMES)}; got {name!r}")
        if image_size is None and image is not None:
            image_size = _size_of_image(image)
        if image_size is not None:
            image_size = Size.from_sequence(image_size)
            if input_size is None and family is not None:
                input_size = family.input_size(image_size)
        if input_size is not None:
            input_size = Size.from_sequence(input_size)
        box = gold.box
        if frame is not _ORIGINAL or gold.frame is not _ORIGINAL:
            _check_sizes(frame, gold.frame, image_size, input_size)
            box = to_original(box, gold.frame, image_size=image_size, input_size=input_size)
        row: Row = _new(Row, (self.task, box, frame, image_size, input_size, _ID))
        return row


def _bare_box(gold: list[Any]) -> Box:
    try:
        if len(gold) == 4 and type(gold[0]) is type(gold[3]) is float:
            return Box(*gold)
        return Box.from_sequence(gold)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bad gold {gold!r}: {error}") from None


def _check_sizes(
    frame: Frame, gold_frame: Frame, image_size: Size | None, input_size: Size | None
) -> None:
    missing = None
    if image_size is None:
        missing = "image_size"
    elif input_size is None and Frame.INPUT_PX in (frame, gold_frame):
        missing = "input_size"
    if missing is not None:
        raise ValueError(
            f"boxes in frame {frame.value!r} (gold: {gold_frame.value!r}) need a size that is not "
            f"given: add a column {missing!r} with (width, height) in pixels, or use gold "
            "envelopes (vlreward.golds.pack)"
        )


def _size_of_image(image: Any) -> Any:
    if isinstance(image, (list, tuple)):
        image = image[0] if image else None
    return getattr(image, "size", None)


def as_family(value: str | ModelFamily | None) -> ModelFamily | None:
    """A family by name, or as it is."""
    return family_of(value) if isinstance(value, str) else value
