"""Which task a gold in a data file can belong to."""

from __future__ import annotations

import json
import re
from typing import Any

from vlreward.data.errors import shown

__all__ = ["from_json", "kind_of", "untagged"]

_ANSWER = re.compile(r"\s*<answer>(.*?)</answer>\s*\Z", re.DOTALL)
_TAG = re.compile(r"</?answer>")
_WHOLE = re.compile(r"\d{1,18}\Z", re.ASCII)
_MAX_JSON = 4096


def untagged(value: Any) -> Any:
    """The text inside one `<answer>...</answer>`; anything without the tags as it stands.

    Raises:
        ValueError: If the tags do not enclose the whole text exactly once.

    Example:
        >>> untagged("<answer> 3 </answer>")
        '3'
    """
    if not isinstance(value, str):
        return value
    match = _ANSWER.match(value)
    text = match.group(1) if match else value
    if _TAG.search(text):
        raise ValueError(
            f"expected '<answer>...</answer>' around the whole gold, got {shown(value)}"
        )
    return text.strip()


def kind_of(value: Any) -> str | None:
    """The task that a gold belongs to, or None if a count and an expression could look like it.

    Example:
        >>> kind_of([1, 2, 3, 4]), kind_of("145°"), kind_of("145")
        ('rec', 'geometry', None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "counting"
    if isinstance(value, (list, tuple, dict)):
        return "rec"
    if isinstance(value, str):
        text = value.strip()
        if isinstance(from_json(text), (list, dict)):
            return "rec"
        return None if not text or _WHOLE.match(text) else "geometry"
    return None


def from_json(text: str) -> Any:
    """The list or object that a text is in JSON; the text itself if it is none."""
    if not text.startswith(("[", "{")) or len(text) > _MAX_JSON:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]  # a list of one detection
    return value
