"""What the headers of an HTTP answer say about a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

__all__ = ["announced", "changed", "content_range", "validator_of"]

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)\Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """First byte and total length of a Content-Range; None for what it does not say."""
    match = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
    if match is None:
        return None, None
    total = match[3]
    return (int(match[1]) if match[1] else None), (None if total == "*" else int(total))


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What identifies a version of the file; a weak entity tag may not be used with Range."""
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return headers.get("Last-Modified")


def changed(headers: Mapping[str, str], validator: str | None) -> bool:
    """Whether a partial answer says that it is of another version than `validator` names."""
    if validator is None:
        return False
    name = "ETag" if validator.startswith('"') else "Last-Modified"
    return headers.get(name) not in (None, validator)


def announced(response: httpx.Response) -> tuple[str | None, int | None]:
    """Digest and size that the Hugging Face hub gives for large files, before it redirects."""
    for answer in (*response.history, response):
        digest = answer.headers.get("X-Linked-Etag", "").strip('"')
        if _SHA256.match(digest):
            size = answer.headers.get("X-Linked-Size", "")
            return digest, int(size) if size.isdecimal() and len(size) < 19 else None
    return None, None
