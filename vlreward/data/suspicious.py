"""What is said of rows whose golds look as if their frame were another one than declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlreward.data.dataset import Provenance
from vlreward.data.errors import DataError, RowProblem

__all__ = ["fits", "refuse_suspicious", "suspicious_rows", "suspicious_text"]

_MOST = 0.01
_SHOWN = 3


def fits(found: Sequence[RowProblem]) -> str:
    """The options that would fit most of the suspicious rows, the most frequent first."""
    counted = Counter(problem.fit for problem in found)
    return "; ".join(fit for fit, _ in counted.most_common(3))


def suspicious_text(origin: Provenance) -> str | None:
    """As `suspicious_rows`, of the rows of a data set."""
    return suspicious_rows(origin.suspicious, origin.rows - origin.filtered)


def suspicious_rows(found: Sequence[RowProblem], rows: int) -> str | None:
    """How many rows look suspicious, the first of them, and the options that would fit; None if
    no row does."""
    shown = "; ".join(map(str, found[:_SHOWN]))
    return f"{_counted(found, rows)}. The first: {shown}" if found else None


def refuse_suspicious(origin: Provenance) -> None:
    """Stop where more than 1 % of the rows look suspicious.

    Raises:
        DataError: If they do; says which rows, and the options.
    """
    rows = origin.rows - origin.filtered
    if len(origin.suspicious) > _MOST * max(1, rows):
        raise DataError(
            f"{_counted(origin.suspicious, rows)}. --on-suspicious keep reads them as they are",
            path=origin.path,
            problems=origin.suspicious,
        )


def _counted(found: Sequence[RowProblem], rows: int) -> str:
    return f"{len(found)} of {rows} rows have golds that look wrong. What would fit: {fits(found)}"
