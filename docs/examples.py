"""Sections `Example:` are read as `Examples:`, the only spelling that griffe knows."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """An extension of the reader of docstrings."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section where an object has one."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", obj.docstring.value)
