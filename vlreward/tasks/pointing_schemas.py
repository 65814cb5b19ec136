"""How published files of GUI grounding write a row: ScreenSpot, ScreenSpot-v2, ScreenSpot-Pro."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlreward.schema import Fields, Schema, rest_of, row_id, text_at

__all__ = ["POINTING_SCHEMAS"]


def _read_screenspot(row: Mapping[str, Any]) -> Fields:
    """ScreenSpot and ScreenSpot-v2: `bbox` is (x, y, width, height) in pixels."""
    box = row["bbox"]
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        raise ValueError(f"'bbox': expected (x, y, width, height), got {box!r:.80}")
    x, y, width, height = box
    return _screen(row, {"box": [x, y, x + width, y + height]}, None)


def _read_pro(row: Mapping[str, Any]) -> Fields:
    """ScreenSpot-Pro: `bbox` is (x1, y1, x2, y2) in pixels, beside the size of the image."""
    return _screen(row, {"box": row["bbox"]}, row["img_size"])


def _read_hub(row: Mapping[str, Any]) -> Fields:
    """ScreenSpot as a data set of the Hugging Face hub: `bbox` as shares of the image's sides."""
    return _screen(row, {"box": row["bbox"], "frame": "norm1"}, None)


def _screen(row: Mapping[str, Any], gold: Any, size: Any) -> Fields:
    instruction = text_at(row, "instruction")
    used = ("id", "img_filename", "image", "bbox", "instruction", "img_size")
    return Fields(
        gold=gold,
        question=instruction,
        expression=instruction,
        image=row.get("img_filename") or row.get("image"),
        id=row_id(row),
        image_size=None if size is None else tuple(size),
        metadata=rest_of(row, *used),
    )


POINTING_SCHEMAS = (
    Schema("screenspot", ("img_filename", "bbox", "instruction", "data_type"), _read_screenspot),
    Schema("screenspot-pro", ("img_filename", "bbox", "instruction", "img_size"), _read_pro),
    Schema("screenspot-hub", ("image", "bbox", "instruction", "data_type"), _read_hub),
)
