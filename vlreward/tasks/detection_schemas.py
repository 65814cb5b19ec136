"""How published files write the objects of an image: COCO's annotations, ms-swift's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward._text import short
from vlreward.schema import Fields, Schema, rest_of, row_id, row_size, text_at

__all__ = ["DETECTION_SCHEMAS"]


def _read_coco(row: Mapping[str, Any]) -> Fields:
    """An image as `vlreward.data.coco` makes a row of it; crowds are no objects."""
    objects = [item for item in row["annotations"] if not item.get("iscrowd")]
    names = ", ".join(row["categories"])
    return Fields(
        gold=[{"iscrowd": 0, **item} for item in objects],
        question=f"Find every object of these categories: {names}.",
        image=row["file_name"],
        id=row_id(row),
        image_size=row_size(row),
        metadata={"crowds": len(row["annotations"]) - len(objects)},
    )


def _read_swift(row: Mapping[str, Any]) -> Fields:
    """ms-swift: the question is the user's message, where `<ref-object>` stands for a name."""
    images, messages, objects = row["images"], row["messages"], row["objects"]
    if not isinstance(images, list) or len(images) != 1:
        raise ValueError(f"'images': expected one image per row, got {short(images)}")
    user = [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if len(user) != 1:
        raise ValueError(f"'messages': expected one message of the user, got {short(messages)}")
    question = text_at(user[0], "content").replace("<image>", "")
    names = objects.get("ref") if isinstance(objects, dict) else None
    for name in dict.fromkeys(names or ()):
        question = question.replace("<ref-object>", str(name), 1)
    return Fields(
        gold={"objects": objects},
        question=question.strip(),
        image=images[0],
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, "id", "images", "messages", "objects", "width", "height"),
    )


DETECTION_SCHEMAS = (
    Schema("coco", ("file_name", "annotations", "categories"), _read_coco),
    Schema("swift-objects", ("images", "messages", "objects"), _read_swift),
)
