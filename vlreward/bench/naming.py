"""File names of a run's parts."""

from __future__ import annotations

import re

__all__ = ["samples_file"]

_UNUSUAL = re.compile(r"[^\w.@+-]+")


def samples_file(name: str) -> str:
    """Name of the file that holds the scored samples of a suite or subset.

    Example:
        >>> samples_file("refcoco_val[500@42]")
        'samples_refcoco_val-500@42.jsonl'
    """
    plain = _UNUSUAL.sub("-", name).strip("-")
    return f"samples_{plain}.jsonl"
