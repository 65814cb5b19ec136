"""What must hold for every gold and answer; used by the fuzzer and by the replay of its corpus."""

from __future__ import annotations

import math

from vlreward.verify import OUTCOMES, Policy
from vlreward.verify.exact import settle as exact
from vlreward.verify.exact.bombs import complexity
from vlreward.verify.exact.latex import to_latex
from vlreward.verify.exact.reader import read
from vlreward.verify.exact.surd import Surd, scaled
from vlreward.verify.exact.values import Choice, Group, Named, Number, Range, Ratio, Union, Value

__all__ = ["check"]

_POLICIES = (
    Policy(),
    Policy(decimals="gold", percent="fraction", units="ignore"),
    Policy(decimals=0, percent="number", ordered_tuples=False, ordered_sets=True, choices=""),
)


def check(data: bytes) -> None:
    """Read and compare the two halves of `data`, which a zero byte separates."""
    first, _, second = data.partition(b"\0")
    texts = [part.decode("utf-8", "replace") for part in (first, second or first)]
    for text in texts:
        reading = read(text)
        assert reading.status in ("read", "undecided", "too_complex", "malformed", "empty")
        assert (reading.status == "read") == bool(reading.values)
        assert len(reading.detail) < 200
        for value in reading.values:
            _check_value(value)
        latex = to_latex(reading.text)
        assert "$" not in latex
        complexity(reading.text)
    for policy in _POLICIES:
        outcomes = []
        for gold, answer in (texts, texts[::-1]):
            settled = exact.settle_exactly(gold, answer, policy)
            assert settled is None or settled.outcome in OUTCOMES
            outcomes.append(settled and settled.outcome)
        if "correct" in outcomes:
            # One way only where the gold sets the tolerance of a decimal, or a shape is unknown.
            decimal = any(mark in "".join(texts) for mark in ".,，．。eE")
            assert outcomes.count("correct") == 2 or decimal or None in outcomes
        same = exact.settle_exactly(texts[0], texts[0], policy)
        assert same is None or same.outcome != "wrong", texts[0]


def _check_value(value: Value) -> None:
    if isinstance(value, Number):
        _check_surd(value.surd)
    elif isinstance(value, Group):
        for item in value.items:
            _check_value(item)
    elif isinstance(value, (Union, Ratio)):
        for part in value.parts:
            _check_value(part)
    elif isinstance(value, Range):
        _check_value(value.low)
        _check_value(value.high)
    elif isinstance(value, Choice):
        for item in value.content:
            _check_value(item)
    elif isinstance(value, Named):
        _check_value(value.value)


def _check_surd(value: Surd) -> None:
    for (root, _), (numerator, denominator) in value.items():
        assert root >= 1
        assert numerator != 0
        assert denominator >= 1
        assert math.gcd(numerator, denominator) == 1
    assert isinstance(scaled(value, 20), int)
