"""Samples of rows of recorded completions: golds, sizes and frames as the rows declare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vlreward.answer_frames import AnswerFrames
from vlreward.bench.recorded_keys import field_of, gold_of, place_of, question_of
from vlreward.data.errors import DataError
from vlreward.data.framed import FramedGold, read_framed
from vlreward.data.image_values import image_names, is_kept
from vlreward.data.images import ImageSource, image_size
from vlreward.frames import Frame, MissingSizeError
from vlreward.geometry import Size
from vlreward.gold_frames import GoldFrame
from vlreward.golds import Envelope, literal
from vlreward.schema import row_size, text_of_id
from vlreward.tasks import get_task
from vlreward.types import Gold, Sample

__all__ = ["RecordedSample", "recorded_sample", "sample_in_data"]

_OF_ANSWER = ("frame", "axis_order", "input_size")


class RecordedSample(NamedTuple):
    """The sample that a row answers."""

    sample: Sample
    """It, with frame, axis order and sizes of its answer where its gold lies in the image."""
    own: Envelope
    """What the row, its envelope or the data say of these themselves."""


def sample_in_data(
    row: Mapping[str, Any],
    golds: Mapping[str, Sample],
    columns: Mapping[str, str],
    frames: AnswerFrames,
    images: ImageSource | None,
) -> RecordedSample:
    """The sample of the data file that a row names, with what the row says of its own answer.

    Raises:
        ValueError: If it names none of them, or says what cannot be.
    """
    named = field_of(row, "id", columns)
    found = golds.get(text_of_id(named))
    if found is None:
        got = f"none; the keys are {sorted(map(str, row))}" if named is None else repr(named)
        raise ValueError(
            f"expected the id of a sample of the data file, such as {next(iter(golds))!r}, got "
            f"{got}; --columns id=KEY names the key that has it"
        )
    own = _declared(row, found, columns)
    placed = _placed(own, found.image, frames, images)
    return RecordedSample(Sample.model_validate({**dict(found), **placed}), own)


def _declared(
    row: Mapping[str, Any], known: Envelope | Sample, columns: Mapping[str, str]
) -> Envelope:
    """Frame, axis order and sizes of a row's answer.

    What the row says wins, except of the image itself: its size stands with the gold, if it does.
    Tables have sizes as texts.

    Raises:
        ValueError: If the row has only one side of its image.
    """
    # Of what lies in no image, `frame` is the number of a video's.
    names = _OF_ANSWER if known.gold.located else ("input_size",)
    said = {name: literal(row.get(name)) or getattr(known, name) for name in names}
    sides = {side: field_of(row, side, columns) for side in ("width", "height")}
    size = known.image_size or literal(row.get("image_size")) or row_size(sides)
    return Envelope.model_validate({"gold": known.gold, **said, "image_size": size})


def recorded_sample(
    row: Mapping[str, Any],
    number: int,
    tasks: tuple[str, ...],
    columns: Mapping[str, str],
    declared: GoldFrame | None,
    suspect: Callable[[str, str], object],
    frames: AnswerFrames,
    images: ImageSource | None,
) -> RecordedSample:
    """The sample that a row itself describes.

    Args:
        number: Its number in the file, the id of a row that has none.
        tasks: The suite's task, and further ones that rows may name.
        columns: Keys by what is read from them, in place of the usual ones.
        declared: Frame of the gold's coordinates where neither it nor a column says one.
        suspect: Told what looks wrong about the gold, and which option would fit.
        frames: What is declared for all rows of how answers write coordinates.
        images: Where images are, for sizes that are needed and the row does not say.

    Raises:
        ValueError: If gold or sizes are missing or bad.
    """
    given_id = field_of(row, "id", columns)
    gold = gold_of(row, columns)
    task = _task(row, tasks)
    if len(tasks) > 1 and "gold" not in columns and place_of(row, "gold") == "answer":
        gold, task = _published(row, given_id, gold, task, tasks)
    if isinstance(gold, dict) and isinstance(gold.get("task"), str):
        gold = {"gold": gold}  # as a run writes it: an envelope with nothing else in it
    column = field_of(row, "gold_frame", columns)
    framed = read_framed(gold, task, column, declared, suspect, row, columns.get("gold"))
    envelope = framed.envelope
    if envelope.gold.task not in tasks:
        expected = " or ".join(map(repr, tasks))
        raise ValueError(f"expected a gold of task {expected}, got one of {envelope.gold.task!r}")
    envelope.gold.check()
    own = _declared(row, envelope, columns)
    more = row.get("metadata")
    image, names = _images(row, columns, framed)
    sample, _ = framed.sample(
        suspect,
        more if isinstance(more, dict) else {},
        id=text_of_id(number if given_id is None else given_id),
        question=question_of(row, columns),
        expression=row.get("expression") or row.get("normal_caption"),
        image=image,
        images=() if image is None else names,  # without one no image is the one asked about
        **_placed(own, image, frames, images),
    )
    return RecordedSample(sample, own)


def _published(
    row: Mapping[str, Any], given_id: Any, gold: Any, task: str, tasks: tuple[str, ...]
) -> tuple[Any, str]:
    """Gold and task of a row of a suite of several tasks, as the schema of its data reads them."""
    whole = {"pid": given_id, "image": None, **row}
    for schema in get_task(tasks[0]).schemas:
        if schema.takes(whole):
            fields = schema.read(whole)
            if fields.task in tasks:
                return fields.gold, fields.task
    return gold, task


def _images(
    row: Mapping[str, Any], columns: Mapping[str, str], gold: FramedGold
) -> tuple[str | None, tuple[str, ...]]:
    """The names of the image that the gold lies in, and of all where there are several.

    Images of which the row has only the bytes have no name.

    Raises:
        ValueError: If the gold lies in several of them.
    """
    value, of = field_of(row, "image", columns), row.get("images")
    if isinstance(of, list) and value in of:  # as a run writes it: all, and the one that counts
        row, value = {**row, "image_index": of.index(value)}, of
    try:
        names = tuple(image_names(value, 1))
    except ValueError:
        return None, ()  # a gap, or no image
    if not names or any(map(is_kept, names)):
        return None, ()
    if len(names) == 1:
        return names[0], ()
    index = gold.image_index(row)
    index = 0 if index is None and not gold.envelope.gold.located else index
    return names[index] if type(index) is int and 0 <= index < len(names) else None, names


def _task(row: Mapping[str, Any], tasks: tuple[str, ...]) -> str:
    """Which task a bare gold is of: the one that the row names, if it is one of these."""
    named = row.get("task")
    return named if named in tasks else tasks[0]


def _placed(
    own: Envelope, image: str | None, frames: AnswerFrames, images: ImageSource | None
) -> dict[str, Any]:
    """Frame and axis order of an answer, and the sizes that these and its gold need; pixels of the
    original image where nothing says the frame.

    Raises:
        ValueError: If a size is missing; names the remedy.
    """
    frame, order, size, seen = own.frame, own.axis_order, own.image_size, own.input_size
    if own.gold.located:
        frame = frames.frame_of(frame) or Frame.ORIGINAL_PX
        order = frames.order_of(order)
        seen = frames.seen(seen, size)
        missing = _missing(own.gold, frame, size, seen)
        if missing and size is None:
            size = _measured(image, images, missing)
            seen = frames.seen(seen, size)
            missing = _missing(own.gold, frame, size, seen)
        if missing:
            raise ValueError(f"{missing}: the row does not say it, give --family")
    return {"frame": frame, "axis_order": order, "image_size": size, "input_size": seen}


def _missing(gold: Gold, frame: Frame, size: Size | None, seen: Size | None) -> str | None:
    """Which size an answer or its gold needs that is not known."""
    try:
        frame.check_sizes(size, seen)
        gold.target(size, seen)
    except MissingSizeError as error:
        return str(error)
    return None


def _measured(image: str | None, images: ImageSource | None, missing: str) -> Size:
    """The size of an image.

    Raises:
        ValueError: If it cannot be had; names the remedy.
    """
    if image is None or images is None:
        raise ValueError(
            f"{missing}: give width and height in the row or in --data, or the image's name "
            "and --image-root"
        )
    try:
        return image_size(images.source(image))
    except (DataError, OSError) as error:
        raise ValueError(f"{missing}, and its image cannot be read: {error}") from None
