"""How published files write the objects of an image: COCO's annotations, ms-swift's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.schema import Fields, Schema, rest_of, row_id, row_size
from vlreward.turns import read_chat, shown_question, with_names

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
    chat, objects = read_chat(row["messages"]), row["objects"]
    question = with_names(shown_question(chat.question, row["images"]), objects)
    return Fields(
        gold={"objects": objects},
        question=question.strip(),
        image=row["images"],
        image_index=row.get("image_index"),
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, "id", "images", "messages", "objects", "width", "height"),
    )


def _has_no_solution(row: Mapping[str, Any]) -> bool:
    return row.get("solution") is None and row.get("objects") is not None


DETECTION_SCHEMAS = (
    Schema("coco", ("file_name", "annotations", "categories"), _read_coco),
    Schema(
        "swift-objects",
        ("images", "messages", "objects"),
        _read_swift,
        _has_no_solution,
        columns={"gold": "objects", "question": "messages", "image": "images"},
        gold_at="solution",
    ),
)
