"""What is said of rows whose golds look as if their frame were another one than declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlreward.data.dataset import Provenance
from vlreward.data.errors import DataError, RowProblem

__all__ = ["fits", "refuse_suspicious", "suspicious_text"]

_MOST = 0.01
_SHOWN = 3


def fits(found: Sequence[RowProblem]) -> list[str]:
    """The options that would fit most of the suspicious rows, the most frequent first."""
    counted = Counter(problem.message.rpartition(": ")[2] for problem in found)
    return [fit for fit, _ in counted.most_common(3)]


def suspicious_text(origin: Provenance) -> str | None:
    """How many rows look suspicious, the first of them, and the options that would fit; None if
    no row does."""
    found = origin.suspicious
    if not found:
        return None
    options = "; ".join(fits(found))
    shown = "; ".join(map(str, found[:_SHOWN]))
    return (
        f"{len(found)} of {origin.rows - origin.filtered} rows have golds that look wrong. What "
        f"would fit: {options}. The first: {shown}"
    )


def refuse_suspicious(origin: Provenance) -> None:
    """Stop where more than 1 % of the rows look suspicious.

    Raises:
        DataError: If they do; says which rows, and the options.
    """
    read = max(1, origin.rows - origin.filtered)
    if len(origin.suspicious) > _MOST * read:
        options = "; ".join(fits(origin.suspicious))
        raise DataError(
            f"{len(origin.suspicious)} of {read} rows have golds that look wrong. What would fit: "
            f"{options}. --on-suspicious keep reads them as they are",
            path=origin.path,
            problems=origin.suspicious,
        )
