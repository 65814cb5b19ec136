"""What a check found, and how checks are run."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Check", "LeftOut", "Row", "run_checks"]


class LeftOut(Exception):
    """This machine cannot run a check; the text says why."""


@dataclass(frozen=True)
class Check:
    """Something that is compared with something else."""

    name: str
    """What is compared."""
    measure: Callable[[], float]
    """The distance that was found; raises `LeftOut` where it cannot be."""
    limit: float
    """Largest distance that is right."""
    unit: str
    """What the distance is measured in."""


@dataclass(frozen=True)
class Row:
    """The outcome of a check."""

    check: Check
    outcome: str
    """`ok`, `FAILED` or `left out`."""
    found: float | None = None
    """The distance."""
    note: str = ""
    """Why it was left out or failed."""
    detail: str = ""
    """The traceback of what was raised."""


def run_checks(checks: Iterable[Check], tell: Callable[[Row], None]) -> list[Row]:
    """Run all; one that raises has failed, and the others still run.

    Args:
        checks: The checks.
        tell: Called with each outcome as it is known.
    """
    rows = []
    for check in checks:
        try:
            found = check.measure()
        except LeftOut as reason:
            row = Row(check, "left out", note=str(reason))
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            row = Row(check, "FAILED", note=lines[0], detail=traceback.format_exc())
        else:
            good = math.isfinite(found) and found <= check.limit
            row = Row(check, "ok" if good else "FAILED", found)
        tell(row)
        rows.append(row)
    return rows
