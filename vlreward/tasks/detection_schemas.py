"""How published files write the objects of an image: COCO's annotations, ms-swift's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.gold_frames import image_index
from vlreward.golds import literal
from vlreward.schema import Fields, Schema, rest_of, row_id, row_size
from vlreward.turns import read_chat, with_names

__all__ = ["DETECTION_SCHEMAS"]

_BOX = "<bbox>"
"""What stands for a box in ms-swift's texts."""
_READ = ("messages", "query", "response")


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


def _objects(value: Any) -> Any:
    """ms-swift's objects as columns: its older files have a JSON text of a list, each with
    `caption`, one `bbox` or several, `bbox_type` and `image`.

    Example:
        >>> _objects('[{"caption": "dog", "bbox": [[1, 2, 3, 4]], "image": 0}]')
        {'ref': ['dog'], 'bbox': [[1, 2, 3, 4]], 'image_id': [0]}
    """
    objects = literal(value)
    if not isinstance(objects, list) or not all(isinstance(item, Mapping) for item in objects):
        return objects
    columns: dict[str, list[Any]] = {"ref": [], "bbox": [], "bbox_type": [], "image_id": []}
    for item in objects:
        boxes = item.get("bbox")
        nested = isinstance(boxes, list) and any(isinstance(box, list) for box in boxes)
        for box in boxes if nested else [boxes]:
            said = (item.get("caption"), box, item.get("bbox_type"), item.get("image"))
            for column, one in zip(columns.values(), said):
                column.append(one)
    return {name: column for name, column in columns.items() if any(v is not None for v in column)}


def _read_swift(row: Mapping[str, Any]) -> Fields:
    """ms-swift: the question is the user's message, where `<ref-object>` stands for a name.

    The boxes lie in the first image where `image_id` does not say otherwise.
    """
    key = "messages" if row.get("messages") is not None else "query"
    chat, objects = read_chat(row[key]), _objects(row["objects"])
    if _BOX in chat.question:
        raise ValueError(
            f"'objects': the question has the box ({_BOX} in the user's message), so it is no "
            "gold: give the gold in a column 'solution', or name its column with "
            f"--columns gold=COLUMN,question={key},image=images"
        )
    index = image_index({"image_index": row.get("image_index"), "objects": objects})
    return Fields(
        gold={"objects": objects},
        question=with_names(chat.question, objects).strip(),
        image=row["images"],
        image_index=0 if index is None else index,
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, *_READ, "id", "images", "objects", "width", "height", "image_index"),
    )


def _has_no_solution(row: Mapping[str, Any]) -> bool:
    return row.get("solution") is None and row.get("objects") is not None


def _answers_boxes(row: Mapping[str, Any]) -> bool:
    return _has_no_solution(row) and _BOX in str(row["response"])


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
    Schema(
        "swift-objects-query",
        ("images", "query", "response", "objects"),
        _read_swift,
        _answers_boxes,
        columns={"gold": "objects", "question": "query", "image": "images"},
        gold_at="solution",
    ),
)
