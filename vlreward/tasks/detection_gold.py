"""The golds of detection: labelled boxes, as data sets write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from vlreward._text import short
from vlreward.frames import Frame, to_original
from vlreward.geometry import Box, Size
from vlreward.gold_frames import COCO_KEYS
from vlreward.golds import literal
from vlreward.metrics.labelled import Labelled
from vlreward.tasks.gold_boxes import (
    LABEL_KEYS,
    as_written,
    box_under,
    corners_and_frame,
    leaves_image,
    only,
)
from vlreward.types import Gold

__all__ = ["DetectionGold", "plain_label"]

_BOX_KEYS = ("bbox_2d", "bbox", "box", "Position", "position")
_FENCE = "```"
_MOST = 1_000
_NOTHING = ("none", "null", "no objects", "no object", "")


class DetectionGold(Gold):
    """Labelled boxes, several or none."""

    task: Literal["detection"] = "detection"
    """Task that this gold belongs to."""
    boxes: tuple[Box, ...] = Field(max_length=_MOST)
    """Corners (x1, y1, x2, y2), x to the right and y down, in `frame`; empty for no object."""
    labels: tuple[str, ...] | None = None
    """One label a box. None where the question names what to find: labels are not compared."""
    frame: Frame = Frame.ORIGINAL_PX
    """Coordinate frame of the boxes."""

    located: ClassVar[bool] = True

    @model_validator(mode="after")
    def _a_label_for_each(self) -> DetectionGold:
        if self.labels is not None and len(self.labels) != len(self.boxes):
            raise ValueError(
                f"expected a label for each box, got {len(self.labels)} labels and "
                f"{len(self.boxes)} boxes"
            )
        if self.labels is not None and not all(map(plain_label, self.labels)):
            raise ValueError(f"expected labels that are not blank, got {short(self.labels, 120)}")
        return self

    @classmethod
    def read(cls, value: Any, task: str = "detection") -> DetectionGold:
        """Labelled boxes in pixels of the original image, as data sets write them.

        A list of objects with a box (`bbox_2d`, `bbox`, `box`, `Position`) and a label (`label`,
        `category_name`, `category`, `name`, `ref`), as VLM-R1's and Visual-RFT's files have it,
        fenced or not; COCO's annotations, whose `bbox` is (x, y, width, height); lists side by
        side, as ms-swift's `objects` (`bbox` with `ref`) and `boxes` with `labels`; a list of
        boxes; and `None` or an empty list for no object. `frame` beside them names another frame,
        and so does ms-swift's `bbox_type`.

        Raises:
            ValueError: If it is none of these, or only some boxes have labels.
        """
        if isinstance(value, str):
            start = value.find(_FENCE)
            if 0 <= start < len(value) - len(_FENCE) and value.endswith(_FENCE):
                value = value[start + len(_FENCE) : -len(_FENCE)].removeprefix("json")
            value = value.strip()
            value = [] if value.lower().rstrip(".") in _NOTHING else literal(value)
        if value is None:
            value = []
        if isinstance(value, dict) and isinstance(value.get("objects"), (dict, list)):
            value = (
                {**value, **value["objects"]}
                if isinstance(value["objects"], dict)
                else value["objects"]
            )
        value, frame = corners_and_frame(value)
        if isinstance(value, dict):
            value = list(_side_by_side(value))
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected a list of labelled boxes, or None, got {short(value, 120)}")
        if len(value) == 4 and all(isinstance(v, (int, float)) for v in value):
            value = [value]
        if len(value) > _MOST:
            raise ValueError(f"expected at most {_MOST} boxes, got {len(value)}")
        pairs = [_pair(item) for item in value]
        labels = [label for _, label in pairs if label is not None]
        if labels and len(labels) < len(pairs):
            raise ValueError(f"expected a label for each box or for none, got {short(value, 120)}")
        return cls(
            boxes=[box for box, _ in pairs],
            labels=tuple(labels) if labels or not pairs else None,
            **frame,
        )

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """Several boxes, each an object; ms-swift's `objects`; Visual-RFT's positions."""
        if isinstance(value, str) and value.startswith(("[", "{")):
            value = literal(value)
        if isinstance(value, dict) and isinstance(value.get("objects"), (dict, list)):
            return True
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, dict) for v in value):
            return False
        boxes = [set(item) & set(_BOX_KEYS) for item in value]
        return all(boxes) and (len(boxes) > 1 or boxes == [{"Position"}])

    def target(self, image_size: Size | None, input_size: Size | None) -> tuple[Labelled, ...]:
        """The boxes in pixels of the original image, each with its label, or "" without labels."""
        self.frame.check_sizes(image_size, input_size)
        sizes = {"image_size": image_size, "input_size": input_size}
        labels = self.labels or [""] * len(self.boxes)
        return tuple(
            (to_original(box, self.frame, **sizes), label) for box, label in zip(self.boxes, labels)
        )

    def remark(self, image_size: Size, tolerance: float) -> str | None:
        """Which box leaves its image, if one does by more than the tolerance.

        Raises:
            ValueError: If a box does not touch its image.
        """
        remarks = (leaves_image(box, self.frame, image_size, tolerance) for box in self.boxes)
        return next((remark for remark in remarks if remark is not None), None)

    def text(self) -> str:
        """The boxes with their labels, in the gold's frame; `none` for no object."""
        labels = self.labels or [""] * len(self.boxes)
        shown = (
            f"{label} [{', '.join(f'{round(v, 2):g}' for v in box)}]".strip()
            for box, label in zip(self.boxes, labels)
        )
        return "; ".join(shown) or "none"

    def written(self, frame: Frame | None = None, *sizes: Any, **how: Any) -> str | None:
        """A fenced JSON list, as VLM-R1's rules need it; `None` for no object."""
        if frame is None:
            return None
        rows = []
        for i, gold in enumerate(self.boxes):
            numbers = as_written(gold, self.frame, frame, *sizes, **how)
            row: dict[str, Any] = {"bbox_2d": numbers}
            rows.append({**row, "label": self.labels[i]} if self.labels else row)
        return f"```json\n{json.dumps(rows, ensure_ascii=False)}\n```" if rows else "None"


def _side_by_side(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of lists side by side; of one object, itself; of `{"bbox_2d": null}`, none."""
    if any(key in value and value[key] is None for key in _BOX_KEYS):
        return
    at = next((key for key in ("boxes", *_BOX_KEYS) if key in value), None)
    if at is None or (boxes := value[at]) is None:
        raise ValueError(
            f"expected boxes under one of {', '.join(('boxes', *_BOX_KEYS))}, got "
            f"{short(value, 120)}"
        )
    labels = next((value[key] for key in ("labels", *LABEL_KEYS) if key in value), None)
    if isinstance(boxes, (list, tuple)) and boxes and isinstance(boxes[0], (int, float)):
        boxes, labels = [boxes], labels if labels is None else [labels]
    only(value, "boxes", "labels", "objects", *_BOX_KEYS)
    if not labels and "ref" in value and len(boxes):
        labels = None  # ms-swift: boxes without names
    elif "ref" in value and labels is value["ref"] and len(labels) == 1:
        labels = [*labels] * len(boxes)  # ms-swift: one name for all boxes
    coco = {key: True for key in COCO_KEYS if key in value}
    at = "bbox" if at == "bbox" else "bbox_2d"
    if labels is not None and (isinstance(labels, str) or len(labels) != len(boxes)):
        raise ValueError(f"expected a label for each box, got {short(value, 120)}")
    for i, box in enumerate(boxes):
        yield {at: box, **coco, **({} if labels is None else {"label": labels[i]})}


def _pair(item: Any) -> tuple[Any, str | None]:
    if not isinstance(item, dict):
        return item, None
    found = [key for key in _BOX_KEYS if key in item]
    if len(found) != 1:
        raise ValueError(
            f"expected a box under one of {', '.join(_BOX_KEYS)}, got {short(item, 120)}"
        )
    only(item, *_BOX_KEYS)
    box = box_under(found[0], item)
    label = next((item[key] for key in (*LABEL_KEYS, "category_id") if key in item), None)
    return box, None if label is None else str(label)


def plain_label(label: str) -> str:
    """A label as it is compared: without case and outer or double white space."""
    return " ".join(label.casefold().split())
