"""The errors that a user can mend. A command shows them in one line and ends with their code."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["OptionError", "UserError"]


class UserError(Exception):
    """Something outside the program is wrong; the text says what, where, and the remedy.

    Commands print the text without a traceback and end with `exit_code`; whatever else is raised
    is a bug. `docs/exit-codes.md` lists the codes.
    """

    exit_code: ClassVar[int] = 2
    """2 for bad input; 1 for a number that is not as demanded; 3 where an engine failed."""


class OptionError(UserError, ValueError):
    """An option, or an argument of the same meaning, has a value that cannot be used."""
