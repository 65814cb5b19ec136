"""The samples of an inspect log: a zip archive of JSON files, read without inspect."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError
from vlreward.data.rows import RawRow

__all__ = ["inspect_rows", "inspect_sample"]

_ZSTD = 93
_LARGEST = 1 << 28  # bytes of one sample, with the images in it
_OF_ROW = (
    *("image", "images", "image_index", "image_size", "width", "height", "input_size", "frame"),
    *("axis_order", "gold_frame", "gold"),
)
"""What people, and runs of our own, keep of a row in a sample's `metadata`."""
_DROPPED = ("events", "events_data", "messages", "store", "attachments", "error_retries")


def inspect_rows(path: Path) -> list[RawRow]:
    """The samples of a `.eval` file in the order of their epochs, each as its JSON object.

    What is not needed to score (events, store) is left out.

    Raises:
        DataError: If it is no such archive, holds no samples, or one cannot be read.
        ImportError: If it is compressed with Zstandard, as inspect does since 2026, which needs
            the extra `inspect` before Python 3.14.
    """
    zipfile, damaged = _zipfile()
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if _is_sample(m.filename)]
            if not members:
                raise DataError(
                    "expected an inspect log with samples/*.json, got an archive without", path=path
                )
            if any(m.compress_type == _ZSTD for m in members) and not hasattr(
                zipfile, "ZIP_ZSTANDARD"
            ):
                raise ImportError(
                    f"{path.name}: this log is compressed with Zstandard, which Python reads since "
                    "3.14: pip install 'vlreward[inspect]'; or `inspect log convert --to json`"
                )
            rows = []
            for number, member in enumerate(members, 1):
                if member.file_size > _LARGEST:
                    raise DataError(
                        f"{member.filename}: expected a sample of at most {_LARGEST} bytes, got "
                        f"{member.file_size}",
                        path=path,
                    )
                rows.append(RawRow(number, inspect_sample(json.loads(archive.read(member)))))
            return rows
    except (zipfile.BadZipFile, zlib.error, damaged, EOFError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"expected an inspect log: {error}", path=path) from None


def _zipfile() -> tuple[Any, type[Exception]]:
    """The module that reads archives, and what it raises on damaged Zstandard."""
    import zipfile

    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
            from backports.zstd import zipfile as reading
    except ImportError:
        # Where inspect is imported, Python's own reads Zstandard too, by that library.
        library = sys.modules.get("zstandard")
        return zipfile, getattr(library, "ZstdError", zipfile.BadZipFile)
    return (zipfile if sys.version_info >= (3, 14) else reading), zstd.ZstdError


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def inspect_sample(sample: Any) -> dict[str, Any]:
    """What is needed of a sample of a log, with long texts back in their places.

    Raises:
        ValueError: If it is no object.
    """
    if not isinstance(sample, Mapping):
        raise ValueError(f"expected a sample as an object, got {type(sample).__name__}")
    texts = sample.get("attachments") or {}
    kept = {key: value for key, value in sample.items() if key not in _DROPPED}
    more = sample.get("metadata")
    if isinstance(more, Mapping):
        known = {key: more[key] for key in _OF_ROW if more.get(key) is not None}
        if not (isinstance(gold := more.get("gold"), Mapping) and "task" in gold):
            known.pop("gold", None)  # another one than the target is not ours
        kept = {**known, **kept, "metadata": {k: v for k, v in more.items() if k not in known}}
    return {key: _attached(value, texts) for key, value in kept.items()}


def _attached(value: Any, texts: Mapping[str, str], depth: int = 0) -> Any:
    """The value with the texts that the log keeps apart."""
    if isinstance(value, str) and value.startswith("attachment://"):
        return texts.get(value.removeprefix("attachment://"), value)
    if depth > 12:
        return value
    if isinstance(value, Mapping):
        return {key: _attached(item, texts, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_attached(item, texts, depth + 1) for item in value]
    return value
