"""How published files write counting questions: CountBenchQA, TallyQA, PixMo-Count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.schema import Fields, Schema, rest_of, row_id, text_at

__all__ = ["COUNTING_SCHEMAS"]


def _read_countbench(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["number"],
        question=text_at(row, "question"),
        image=row["image"],
        id=row_id(row),
        metadata=rest_of(row, "id", "image", "question", "number"),
    )


def _read_tallyqa(row: Mapping[str, Any]) -> Fields:
    return Fields(
        gold=row["answer"],
        question=text_at(row, "question"),
        image=row["image"],
        id=str(row["question_id"]),
        metadata=rest_of(row, "image", "question", "answer", "question_id"),
    )


def _read_pixmo(row: Mapping[str, Any]) -> Fields:
    """The file names pictures on the web; here they are files named by the digest that it gives."""
    return Fields(
        gold=row["count"],
        question=f"How many {text_at(row, 'label')} are there in the image?",
        image=row.get("image") or f"{text_at(row, 'image_sha256')}.jpg",
        metadata=rest_of(row, "image", "count", "points"),
    )


COUNTING_SCHEMAS = (
    Schema("countbenchqa", ("image", "question", "number"), _read_countbench),
    Schema("tallyqa", ("image", "question", "answer", "question_id", "image_id"), _read_tallyqa),
    Schema("pixmo-count", ("image_url", "count", "label"), _read_pixmo),
)
