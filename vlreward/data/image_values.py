"""Images as rows have them: paths, addresses, bytes, base64, data URIs; each gets a name.

What stands in a row itself is not copied: its name says where, and the row is read again when the
image is opened.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from vlreward._text import short
from vlreward.data.embedded import KEPT, EmbeddedRows
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.data.rows import RowSource
from vlreward.data.urls import UrlImages
from vlreward.schema import Fields

__all__ = ["RowImages", "image_names", "is_address", "is_kept"]

_CELL = "cell:"
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}(?:={1,2}\s*)?\Z")
_BEGINNINGS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk", "SUkqA", "TU0AK")
_PATH_KEYS = ("path", "image", "url", "image_url", "file_name")


@dataclass(frozen=True, eq=False)
class RowImages:
    """Images of rows some of which are no files below one directory."""

    rows: RowSource
    """Reads a row again."""
    read: Callable[[Mapping[str, Any]], Fields]
    """Reads its fields."""
    folder: ImageFolder | None
    """Where names are files; None if no directory is known, for absolute names alone."""
    urls: UrlImages | None = None
    """Fetches addresses; None to refuse them."""

    def source(self, name: str) -> Path | bytes:
        """The file of an image, whether or not it exists, or its bytes.

        Raises:
            DataError: If there can be no such image.
        """
        if name.startswith(_CELL):
            number, index = map(int, name.removeprefix(_CELL).split(":")[:2])
            value = _listed(self.read(self.rows.row(number)).image)[index]
            found = _bytes(value)
            if found is None:
                raise DataError(f"row {number}: expected an image, got {short(value, 80)}")
            return found
        if name.startswith(KEPT) and isinstance(self.rows, EmbeddedRows):
            return self.rows.source(name)
        if is_address(name):
            if self.urls is None:
                raise DataError(f"the image {name!r} is an address: --allow-urls downloads it")
            return self.urls.source(name)
        if self.folder is not None:
            return self.folder.source(name)
        if not Path(name).is_absolute():
            raise DataError(f"no image root is known for the image {name!r}: give --image-root")
        return Path(name)

    def is_there(self, name: str) -> bool:
        """Whether an image is known to be kept by the rows, without reading it."""
        rows = self.rows
        return isinstance(rows, EmbeddedRows) and name.startswith(KEPT) and name not in rows.lacking

    def prefetch(self, names: Iterable[str]) -> None:
        """Download those that are addresses, several at once."""
        if self.urls is not None:
            self.urls.prefetch(filter(is_address, names))


def image_names(value: Any, number: int) -> list[str]:
    """A name for each image of a row.

    Args:
        value: What the row has: see `vlreward.schema.Fields.image`.

    Raises:
        ValueError: If it is no image.

    Example:
        >>> image_names(["a.png", {"bytes": None, "path": "file:///b%20c.png"}], 1)
        ['a.png', '/b c.png']
    """
    names = []
    for index, image in enumerate(_listed(value)):
        if _bytes(image, decode=False) is not None:
            label = image.get("path") if isinstance(image, Mapping) else None
            names.append(f"{_CELL}{number}:{index}:{label or ''}")
            continue
        if isinstance(image, Mapping):
            image = next((image[k] for k in _PATH_KEYS if image.get(k) is not None), None)
            image = image.get("url") if isinstance(image, Mapping) else image
        if not isinstance(image, str) or not image.strip():
            raise ValueError(f"expected the path of an image, got {short(image, 80)}")
        if image.lower().startswith("file:"):
            image = url2pathname(urlsplit(image).path)
        names.append(image)
    return names


def is_kept(name: str) -> bool:
    """Whether a name stands for an image that is no file of its own."""
    return name.startswith((KEPT, _CELL))


def is_address(name: str) -> bool:
    """Whether a name is an address on the web."""
    return name[:8].lower().startswith(("http://", "https://"))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _bytes(value: Any, *, decode: bool = True) -> bytes | None:
    """The encoded image that a value holds, None if it holds none.

    Without `decode` only whether it holds one is told, by bytes of any length.
    """
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, Mapping):
        for key in ("bytes", "base64", "image", "data", "url", "image_url"):
            if value.get(key) is not None:
                found = _bytes(value[key], decode=decode)
                if found is not None:
                    return found
        return None
    if not isinstance(value, str):
        return None
    if value[:5].lower() == "data:":
        head, comma, body = value.partition(",")
        if not comma:
            raise ValueError(f"expected data:TYPE;base64,..., got {short(value, 60)}")
        if not decode:
            return b""
        return _decoded(body) if head.lower().endswith(";base64") else unquote_to_bytes(body)
    if value.startswith(_BEGINNINGS) and _BASE64.match(value):
        return _decoded(value) if decode else b""
    return None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"expected an image in base64: {error}, got {short(text, 40)}") from None
