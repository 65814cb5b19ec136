"""Waiting times."""

from __future__ import annotations

import asyncio
import time

from vlreward.engines._endpoint import Pacer


def test_pauses_hold_everyone_back() -> None:
    async def main() -> float:
        pacer = Pacer(None)
        pacer.pause(0.05)
        start = time.monotonic()
        await asyncio.gather(pacer.wait(), pacer.wait())
        return time.monotonic() - start

    assert asyncio.run(main()) >= 0.05
