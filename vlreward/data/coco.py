"""Rows of files in COCO's format: one for each image, its annotations with their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["coco_rows", "is_coco"]

_KEYS = ("images", "annotations", "categories")


def is_coco(value: Any) -> bool:
    """Whether a JSON value is an object in COCO's format."""
    return isinstance(value, Mapping) and all(isinstance(value.get(key), list) for key in _KEYS)


def coco_rows(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each image: its fields, `annotations` with `category_name`, all `categories`.

    Images without annotations are rows too: saying that nothing is there is right for them.

    Raises:
        ValueError: If an image has no id, or that of another, if a category has several names, or
            an annotation belongs to no image or category.

    Example:
        >>> (row,) = coco_rows({"images": [{"id": 1}], "categories": [{"id": 7, "name": "cat"}],
        ...     "annotations": [{"image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5]}]})
        >>> row["annotations"][0]["category_name"], row["categories"]
        ('cat', ['cat'])
    """
    names: dict[Any, str] = {}
    for category in value["categories"]:
        name = names.setdefault(category["id"], category["name"])
        if name != category["name"]:
            raise ValueError(
                f"category {category['id']!r}: expected one name, got {name!r} and "
                f"{category['name']!r}: files that are merged need ids of their own"
            )
    rows: dict[Any, dict[str, Any]] = {}
    for number, image in enumerate(value["images"], 1):
        if not isinstance(image, dict) or "id" not in image:
            raise ValueError(f"image {number}: expected an object with 'id', got {image!r:.80}")
        if image["id"] in rows:
            raise ValueError(
                f"image {number}: expected an id of its own, got {image['id']!r} again, of which "
                "image annotations are is not known: files that are merged need ids of their own"
            )
        rows[image["id"]] = {**image, "annotations": [], "categories": list(names.values())}
    for number, annotation in enumerate(value["annotations"], 1):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in rows or category not in names:
            raise ValueError(
                f"annotation {number}: expected the ids of an image and a category, got "
                f"image_id={image!r} and category_id={category!r}"
            )
        kept = {key: annotation[key] for key in ("bbox", "iscrowd") if key in annotation}
        rows[image]["annotations"].append({**kept, "category_name": names[category]})
    return list(rows.values())
