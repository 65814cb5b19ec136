"""Rate limits, and waiting as long as the server asks."""

from __future__ import annotations

import asyncio
import time

from vlreward.errors import OptionError

__all__ = ["Pacer"]


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
