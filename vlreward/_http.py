"""Manners towards a server that fails: when to ask again, and how long to wait before."""

from __future__ import annotations

import email.utils
import random
import time

__all__ = ["RETRYABLE_STATUS", "backoff_seconds", "parse_retry_after"]

RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524, 529})
"""Statuses after which the same request may succeed."""


def backoff_seconds(
    attempt: int, base: float, rng: random.Random | None = None, *, longest: float = 30.0
) -> float:
    """Seconds to wait after the `attempt`-th try (from 1): base * 2**(attempt - 1), with jitter.

    The wait is drawn from the upper half of [0, base * 2**(attempt - 1)] so that requests that
    failed together do not return together; at most `longest`.
    """
    whole = min(longest, base * 2.0 ** min(attempt - 1, 60))
    return whole * (0.5 + 0.5 * (random if rng is None else rng).random())


def parse_retry_after(
    value: str | None, now: float | None = None, *, longest: float = 120.0
) -> float | None:
    """Seconds that a Retry-After header asks for, from 0 to `longest`, None if it says nothing.

    Both forms of RFC 9110, section 10.2.3, are read: seconds, and an HTTP date.

    Args:
        value: The header's value, or None if there is none.
        now: Seconds since the epoch that a date is compared with; None for the clock.
        longest: What more is cut to.

    Example:
        >>> parse_retry_after("7")
        7.0
        >>> parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=90.0)
        10.0
    """
    text = "" if value is None else value.strip()
    if text.isascii() and text.isdigit():
        return min(longest, float(text[:9]))
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(longest, max(0.0, when - (time.time() if now is None else now)))
