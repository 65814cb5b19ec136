"""Waiting times."""

from __future__ import annotations

import asyncio
import random
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.engines._retry import Pacer, backoff_seconds, parse_retry_after


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.5), (2, 1.0), (5, 8.0), (9, 30.0), (99, 30.0)])
def test_backoff_doubles_up_to_a_limit_with_jitter(attempt: int, most: float) -> None:
    rng = random.Random(0)
    waits = [backoff_seconds(attempt, 0.5, rng) for _ in range(500)]
    assert most / 2 <= min(waits) < 0.55 * most
    assert 0.95 * most < max(waits) <= most


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("100000000000000000000", 120.0),
        ("-3", None),
        ("soon", None),
        ("١٢", None),
        (formatdate(1_000_030, usegmt=True), 30.0),
        (formatdate(999_000, usegmt=True), 0.0),
        (formatdate(9_000_000, usegmt=True), 120.0),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, now=1_000_000.0) == expected


@given(st.text())
def test_any_header_is_survived(value: str) -> None:
    seconds = parse_retry_after(value, now=0.0)
    assert seconds is None or 0 <= seconds <= 120


def test_pauses_hold_everyone_back() -> None:
    async def main() -> float:
        pacer = Pacer(None)
        pacer.pause(0.05)
        start = time.monotonic()
        await asyncio.gather(pacer.wait(), pacer.wait())
        return time.monotonic() - start

    assert asyncio.run(main()) >= 0.05


def test_rates_are_positive() -> None:
    with pytest.raises(ValueError, match="positive number of requests a minute, got 0"):
        Pacer(0)
