"""How published files write the objects of an image: COCO's annotations, ms-swift's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.gold_frames import image_index
from vlreward.schema import Fields, Schema, rest_of, row_id, row_size
from vlreward.turns import read_chat, shown_question, with_names

__all__ = ["DETECTION_SCHEMAS"]

_BOX = "<bbox>"
"""What stands for a box in ms-swift's texts."""


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
    """ms-swift: the question is the user's message, where `<ref-object>` stands for a name.

    The boxes lie in the first image where `image_id` does not say otherwise.
    """
    chat, objects = read_chat(row["messages"]), row["objects"]
    if _BOX in chat.question:
        raise ValueError(
            f"'objects': the question has the box ({_BOX} in the user's message), so it is no "
            "gold: give the gold in a column 'solution', or name its column with "
            "--columns gold=COLUMN,question=messages,image=images"
        )
    index = image_index({key: row.get(key) for key in ("image_index", "objects")})
    question = with_names(shown_question(chat.question, row["images"]), objects)
    return Fields(
        gold={"objects": objects},
        question=question.strip(),
        image=row["images"],
        image_index=0 if index is None else index,
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(
            row, "id", "images", "messages", "objects", "width", "height", "image_index"
        ),
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
