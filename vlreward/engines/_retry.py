"""When to send a request again, and how long to wait: back-off, Retry-After, rate limits."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time

from vlreward.errors import OptionError

__all__ = ["RETRYABLE_STATUS", "Pacer", "backoff_seconds", "parse_retry_after"]

RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524, 529})
"""Statuses after which the same request may succeed."""

_LONGEST_WAIT = 120.0
_LONGEST_BACKOFF = 30.0


def backoff_seconds(attempt: int, base: float, rng: random.Random) -> float:
    """Seconds to wait after the `attempt`-th try (from 1): base * 2**(attempt - 1), with jitter.

    The wait is drawn from the upper half of [0, base * 2**(attempt - 1)] so that requests that
    failed together do not return together; at most 30 s.
    """
    whole = min(_LONGEST_BACKOFF, base * 2.0 ** (attempt - 1))
    return whole * (0.5 + 0.5 * rng.random())


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, from 0 to 120, or None if it says nothing.

    Both forms of RFC 9110, section 10.2.3, are read: seconds, and an HTTP date.

    Args:
        value: The header's value, or None if there is none.
        now: Seconds since the epoch that a date is compared with; None for the clock.

    Example:
        >>> parse_retry_after("7")
        7.0
        >>> parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=90.0)
        10.0
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(_LONGEST_WAIT, float(text[:9]))
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    seconds = when.timestamp() - (time.time() if now is None else now)
    return min(_LONGEST_WAIT, max(0.0, seconds))


class Pacer:
    """Lets requests pass at a limited rate, and holds all of them back when a server asks for it.

    Args:
        per_minute: Largest number of requests a minute, evenly spaced; None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        if per_minute is not None and not per_minute > 0:
            raise OptionError(
                f"expected a positive number of requests a minute, got {per_minute!r}"
            )
        self._gap = 0.0 if per_minute is None else 60.0 / per_minute
        self._next = 0.0
        self._hold = 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing pass for that long."""
        self._hold = max(self._hold, time.monotonic() + seconds)

    async def wait(self) -> None:
        """Return when the caller may send."""
        if self._gap:
            slot = max(time.monotonic(), self._next)
            self._next = slot + self._gap
            await asyncio.sleep(max(0.0, slot - time.monotonic()))
        while (rest := self._hold - time.monotonic()) > 0:
            await asyncio.sleep(rest)
