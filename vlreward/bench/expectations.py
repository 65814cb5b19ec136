"""Accuracies that a run must reach: `--expect`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from vlreward.errors import OptionError, UserError

if TYPE_CHECKING:
    from vlreward.bench.evaluate import Evaluation

__all__ = ["Expectation", "ExpectationError", "check_expectations", "read_expectation"]


class ExpectationError(UserError, RuntimeError):
    """An accuracy is not what `--expect` states."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Expectation:
    """An accuracy that a run must reach."""

    suite: str | None
    """The suite that it is about; None for each."""
    accuracy: float
    """As a fraction."""
    tolerance: float
    """How far it may be missed, as a fraction."""


_AMOUNT = r"(\d+(?:\.\d+)?|\.\d+)"
_EXPECT = re.compile(rf"(?:(\S+)=)?{_AMOUNT}(?:\+-|±){_AMOUNT}\Z")


def read_expectation(text: str, suites: Sequence[str]) -> Expectation:
    """What `--expect` says.

    Args:
        text: `ACCURACY+-TOLERANCE`, or `SUITE=ACCURACY+-TOLERANCE`.

    Raises:
        OptionError: If it is neither.
    """
    match = _EXPECT.match(text)
    if (
        match is None
        or (match[1] is not None and match[1] not in suites)
        or max(float(match[2]), float(match[3])) > 1
    ):
        raise OptionError(
            f"--expect: expected ACCURACY+-TOLERANCE as fractions, e.g. 0.886+-0.02, or "
            f"SUITE=0.886+-0.02 with one of {', '.join(suites)}; got {text!r}"
        )
    return Expectation(match[1], float(match[2]), float(match[3]))


def check_expectations(
    evaluations: Sequence[Evaluation], expectations: Sequence[Expectation]
) -> None:
    """Compare what a run came to with what it must reach; controls are left out.

    Raises:
        ExpectationError: At the first accuracy that is not as stated.
    """
    for expected in expectations:
        for evaluation in evaluations:
            if "control" in evaluation.provenance:
                continue
            if expected.suite is not None and expected.suite != evaluation.suite.name:
                continue
            found = evaluation.report.acc
            if abs(found - expected.accuracy) > expected.tolerance + 1e-12:
                raise ExpectationError(
                    f"{evaluation.name}: expected an accuracy of {expected.accuracy:g} +- "
                    f"{expected.tolerance:g}, got {found:.4f}"
                )
