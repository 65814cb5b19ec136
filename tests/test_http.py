"""Waiting times."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlreward._http import backoff_seconds, parse_retry_after


@pytest.mark.parametrize(
    ("attempt", "most"), [(1, 0.5), (2, 1.0), (5, 8.0), (9, 30.0), (99, 30.0), (9999, 30.0)]
)
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


_DATE = st.from_regex(
    r"[A-Z][a-z]{2}, \d{1,2} (Jan|Feb|Dec) \d{1,5} \d\d:\d\d:\d\d [ A-Z0-9+-]{0,6}"
)


@given(st.text() | _DATE)
@example("Mon, 01 Jan 0001 00:00:00 -0000")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_any_header_is_survived(value: str) -> None:
    seconds = parse_retry_after(value, now=0.0)
    assert seconds is None or 0 <= seconds <= 120
