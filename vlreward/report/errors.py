"""The error of this package."""

from __future__ import annotations

__all__ = ["ReportError"]


class ReportError(ValueError):
    """Input that no report can be made from: says what was expected, what was found and where."""
