"""The error of this package."""

from __future__ import annotations

from vlreward.errors import UserError

__all__ = ["ReportError"]


class ReportError(UserError, ValueError):
    """Input that no report can be made from: says what was expected, what was found and where."""
