"""What goes wrong with data files, always with the file and the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlreward.errors import UserError

__all__ = [
    "BadRow",
    "DataError",
    "FetchError",
    "MissingImagesError",
    "RowProblem",
    "UnknownSchemaError",
]

_SHOWN = 10


class BadRow(ValueError):
    """A row that is no sample; raised while one row is read, and gathered into a `DataError`."""

    def __init__(self, message: str, kind: str = "bad_row") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One row that is wrong, or that was left out, or that deserves a look."""

    row: int
    """Number of the row, counted from 1."""
    message: str
    """What was expected and what was found."""
    line: int | None = None
    """Line of the file, counted from 1, where the format has one row per line."""
    kind: str = "bad_row"
    """`bad_row`, `bad_gold`, `missing_image`, `bad_image`, `suspicious` or `note`."""
    fit: str = ""
    """What would mend it, where something surely would, e.g. `--gold-frame norm1000`."""
    place: str = ""
    """Where it is, of a row of one of several files."""

    def __str__(self) -> str:
        where = self.place or (f"row {self.row}" if self.line is None else f"line {self.line}")
        return f"{where}: {self.message}" + (f": {self.fit}" if self.fit else "")


class DataError(UserError, ValueError):
    """A data file, or an image that it names, cannot be used.

    Args:
        problems: The rows at fault; the first ten are added to the message, and the count.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        problems: Sequence[RowProblem] = (),
    ) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = [f"{path}: {message}" if path is not None else message]
        lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  ... and {len(self.problems) - _SHOWN} more")
        super().__init__("\n".join(lines))


class UnknownSchemaError(DataError):
    """The keys of the first row belong to no known schema, or to more than one."""


class MissingImagesError(DataError):
    """Images that the rows name do not exist under the image root."""


class FetchError(DataError):
    """A download that cannot be completed, or an archive that cannot be unpacked."""
