"""A gold as a row has it, in the frame that is declared for its coordinates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vlreward.data.columns import found
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.gold_frames import COCO_KEYS, GoldFrame, image_index, in_corners, suspicion
from vlreward.golds import Envelope, is_envelope, literal, unpack, untagged
from vlreward.tasks import gold_class
from vlreward.types import Gold, Sample

__all__ = ["FramedGold", "read_framed"]

_HOW = re.compile(
    r"(bbox|box|boxes|coord|coords|coordinate|gold)_?(type|format|mode|frame)\Z", re.I
)
_TOLERANCE = 2.0
"""Pixels by which a gold may leave its image; the published boxes do by up to about one."""


class FramedGold(NamedTuple):
    """A gold of a row."""

    envelope: Envelope
    """The gold, and what an envelope says beside it."""
    corners: Any = None
    """What the row has as gold, its boxes as corners; None for an envelope, and where golds do not
    lie in the image."""

    def image_index(self, row: Mapping[str, Any], named: Any = None) -> Any:
        """Which image of its row it lies in, None if nothing says it.

        An envelope wins over the row, and this over what stands beside the box. The objects of a
        row in several images tell nothing, and matter only to a gold that lies in one of them.

        Args:
            row: The row, for its `image_index` and its `objects`.
            named: What a column that is read as `image_index` says, in place of the row's own.

        Raises:
            ValueError: If its boxes lie in several images, or those of the row do and nothing
                else says which one is meant.
        """
        said = (self.envelope.image_index, named, row.get("image_index"))
        index = next((index for index in said if index is not None), None)
        if index is not None or not self.envelope.gold.located:
            return index
        try:
            index, unclear = image_index({"objects": row.get("objects")}), None
        except ValueError as error:
            unclear = error
        index = image_index(self.corners) if index is None else index
        if index is None and unclear is not None:
            raise ValueError(
                f"objects: {unclear}; say which one the gold lies in: 'image_index', from 0, as a "
                "column or beside its box"
            )
        return index

    def sample(
        self,
        suspect: Callable[[str, str], object],
        metadata: Mapping[str, Any] | None,
        **fields: Any,
    ) -> tuple[Sample, str | None]:
        """The sample of its row, and what is remarkable about the gold in its image.

        Args:
            suspect: Told what looks wrong and which option would fit.
            metadata: What the row says that is read into no field.
            **fields: The other fields of the sample.

        Raises:
            ValidationError: If a field cannot have its value.
            ValueError: If the gold cannot lie in this image; names the option that would fit.
        """
        gold = self.envelope.gold
        remark = _looked_at(gold, self.corners, fields["image_size"], suspect)
        metadata = {**self.envelope.metadata, **(metadata or {})}
        return Sample(gold=gold, metadata=metadata, **fields), remark


def read_framed(
    value: Any,
    task: str,
    column: Any,
    option: GoldFrame | None,
    suspect: Callable[[str, str], object],
    row: Mapping[str, Any] | None = None,
    gold_at: str | None = None,
) -> FramedGold:
    """Read a gold. What an envelope says of its coordinates wins, then what stands beside its
    boxes, then a column, then an option.

    Args:
        value: The gold in any form that `vlreward.golds.unpack` reads.
        task: Task that a bare gold belongs to.
        column: What a column declares of its coordinates, if anything.
        option: What an option declares of them, if anything.
        suspect: Told what looks wrong and which option would fit, where the gold cannot be read.
        row: What nothing was read from.
        gold_at: The column of the gold, if an option names it.

    Raises:
        ValueError: If it is no gold of the task, or names no frame; or if nothing is read that says
            how its box is meant, and the row may.
    """
    if not gold_class(task).located or is_envelope(value):
        return FramedGold(unpack(value, task))
    value = literal(untagged(value))
    corners, holds = in_corners(value, option if column is None else GoldFrame.parse(column))
    try:
        # The gold's class reads them as it reads any gold, and finds corners.
        envelope = unpack(corners, task)
    except ValueError as error:
        frame = holds.frame if holds else Frame.ORIGINAL_PX
        doubt = suspicion(corners, frame, None, 0)
        if doubt is None:
            raise
        suspect(*doubt)
        raise ValueError(f"{error}; {doubt[0]}: {doubt[1]}") from None
    gold = envelope.gold
    if holds and getattr(gold, "frame", holds.frame) is not holds.frame:
        gold = gold.model_copy(update={"frame": holds.frame})
        envelope = envelope.model_copy(update={"gold": gold})
    if holds is None:
        _refuse_unread(row or {}, gold_at)
    return FramedGold(envelope, corners)


def _refuse_unread(row: Mapping[str, Any], column: str | None) -> None:
    for key in row:
        if _HOW.match(key):
            raise ValueError(
                f"the column {key!r} may say how the box is meant, and nothing reads it: "
                f"--columns gold_frame={key}, or --gold-frame"
            )
    outer, _, name = (column or "").rpartition(".")
    beside = found(row, outer) if outer else row
    coco = [key for key in COCO_KEYS if isinstance(beside, Mapping) and key in beside]
    if name == "bbox" and coco:
        raise ValueError(
            f"the column {column!r} beside {coco[0]!r} may hold x, y, width, height, as COCO's do: "
            "--gold-frame xywh, or --gold-frame original_px where these are corners"
        )


def _looked_at(
    gold: Gold, corners: Any, size: Size | None, suspect: Callable[[str, str], object]
) -> str | None:
    """What is remarkable about a gold in its image, and is not suspicious."""
    frame = getattr(gold, "frame", Frame.ORIGINAL_PX)
    doubt = None if corners is None else suspicion(corners, frame, size, _TOLERANCE)
    if doubt is not None:
        suspect(*doubt)
    try:
        remark = None if size is None else gold.remark(size, _TOLERANCE)
    except ValueError as error:
        raise ValueError(f"{error}{'' if doubt is None else f'; {doubt[1]}'}") from None
    return None if doubt is not None else remark
