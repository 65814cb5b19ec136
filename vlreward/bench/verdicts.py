"""Where a file's own verdicts and ours differ, or most rows fail: by how much, why most often, and
what may help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from vlreward.types import FailureCode, ParseFailure, Score

__all__ = ["disagreement", "recorded_accuracy"]

_ENOUGH = 0.02  # a difference of accuracies that is worth a line

_REMEDIES = {
    FailureCode.NO_ANSWER: "--method baseline, if the answers have no <answer> tag",
    FailureCode.AMBIGUOUS_AXES: "--family, or --axis-order",
    FailureCode.OUT_OF_FRAME: "another --frame or --family",
    FailureCode.NO_BOX: "the authors' --protocol",
    FailureCode.INVALID_BOX: "--axis-order or the authors' --protocol",
}


def recorded_accuracy(figure: Any, verdicts: Sequence[bool | None]) -> float | None:
    """What a file records as its accuracy, as a fraction; None where nothing tells its unit.

    VLM-R1 and R1-V write per cent, others a fraction, none says which. Above 1 it is per cent; up
    to 1 it is what so many rows can have: of 200 rows, 0.805 is 161 right and no per cent.

    Args:
        figure: What stands in the file.
        verdicts: What the file says of each row, where it says it.

    Example:
        >>> recorded_accuracy(0.6, [True] * 3 + [False] * 497), recorded_accuracy(89.4, [None])
        (0.006, 0.894)
    """
    if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not 0 <= figure <= 100:
        return None
    if not 0 < figure <= 1:
        return figure / 100
    n, right = len(verdicts), None if None in verdicts else sum(map(bool, verdicts))
    digit = 10.0 ** int(Decimal(repr(figure)).as_tuple().exponent)  # it may be rounded there
    found = []
    for unit in (1, 100):
        k = round(figure / unit * n) if right is None else right
        if abs(k / n - figure / unit) <= min(digit / unit, 0.01) / 2 + 1e-9:
            found.append(figure / unit)
    return found[0] if len(found) == 1 else None


def disagreement(
    scores: Sequence[Score],
    primary: str,
    verdicts: Sequence[bool | None],
    recorded: float | None,
) -> str | None:
    """A warning where the file's accuracy is not ours by more than two points, or where it records
    none and most rows have no usable answer; else None.

    Args:
        scores: What each row earned here.
        primary: The metric that accuracy is the mean of.
        verdicts: What the file says of each row, where it says it.
        recorded: The accuracy that the file records, as a fraction.
    """
    ours = [score.metrics.get(primary, 0.0) for score in scores]
    known = [verdict for verdict in verdicts if verdict is not None]
    if len(known) == len(ours) and ours:
        recorded = sum(known) / len(known)
    failed = [score.failure for score in scores if score.failure is not None]
    if recorded is None and 2 * len(failed) > len(ours):
        reason, remedy = _commonest(failed)
        rows = f"{len(failed)} of {len(ours)} rows"
        return f"WARNING: {rows} have no usable answer{reason}; try {remedy}"
    if recorded is None or not ours or abs(recorded - sum(ours) / len(ours)) <= _ENOUGH:
        return None
    # Rows that the file counts otherwise; where it has no verdicts, those that failed here.
    apart = [
        score.failure
        for score, mine, theirs in zip(scores, ours, verdicts)
        if (score.failure is not None if theirs is None else theirs != (mine > 0.5))
    ]
    reason, remedy = _commonest(apart)
    return (
        f"WARNING: by the file's own verdicts {recorded:.2%} are right, here "
        f"{sum(ours) / len(ours):.2%}: {len(apart)} rows differ{reason}; try {remedy}"
    )


def _commonest(failures: Sequence[ParseFailure | None]) -> tuple[str, str]:
    """What most of them have in common, and the option that fits."""
    whole = "another --frame or --family, or the authors' --protocol"
    counted = Counter((f.code, f.detail) if f else None for f in failures)
    if not counted:
        return "", whole
    most, times = counted.most_common(1)[0]
    if most is None:
        return f", {times} of them read but judged otherwise", whole
    code, detail = most
    remedy = _REMEDIES.get(code, "the authors' --protocol or --method")
    if code is FailureCode.NO_BOX and ("point" in detail or "a list of 2" in detail):
        remedy = "the task pointing: these answers are points"
    return f", {times} of them by {code.value} ({detail})", remedy
