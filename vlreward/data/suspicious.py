"""What is said of rows whose golds look as if their frame were another one than declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlreward.data.dataset import Provenance
from vlreward.data.errors import DataError, RowProblem

__all__ = ["fits", "refuse_suspicious", "suspicious_text"]

_MOST = 0.01
_SHOWN = 3


def fits(found: Sequence[RowProblem]) -> str:
    """The options that would fit most of the suspicious rows, the most frequent first."""
    counted = Counter(problem.fit for problem in found)
    return "; ".join(fit for fit, _ in counted.most_common(3))


def suspicious_text(origin: Provenance) -> str | None:
    """How many rows look suspicious, the first of them, and the options that would fit; None if
    no row does."""
    if not origin.suspicious:
        return None
    shown = "; ".join(map(str, origin.suspicious[:_SHOWN]))
    return f"{_counted(origin)}. The first: {shown}"


def refuse_suspicious(origin: Provenance) -> None:
    """Stop where more than 1 % of the rows look suspicious.

    Raises:
        DataError: If they do; says which rows, and the options.
    """
    if len(origin.suspicious) > _MOST * max(1, origin.rows - origin.filtered):
        raise DataError(
            f"{_counted(origin)}. --on-suspicious keep reads them as they are",
            path=origin.path,
            problems=origin.suspicious,
        )


def _counted(origin: Provenance) -> str:
    return (
        f"{len(origin.suspicious)} of {origin.rows - origin.filtered} rows have golds that look "
        f"wrong. What would fit: {fits(origin.suspicious)}"
    )
