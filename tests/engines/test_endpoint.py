"""Waiting times, and requests that are called off."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from vlreward.engines._endpoint import Endpoint, Pacer


def test_pauses_hold_everyone_back() -> None:
    async def main() -> float:
        pacer = Pacer(None)
        pacer.pause(0.05)
        start = time.monotonic()
        await asyncio.gather(pacer.wait(), pacer.wait())
        return time.monotonic() - start

    assert asyncio.run(main()) >= 0.05


def test_being_called_off_as_an_answer_comes_is_not_overheard() -> None:
    """Python's own wait_for does overhear it before 3.12: closing a run then asked the rest."""
    endpoint = Endpoint("http://localhost/v1", None, 60, 1, None, 0.01)
    asked = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if asked == 3:
            asyncio.get_running_loop().call_soon(asking[0].cancel)
        return httpx.Response(200, json={"choices": [{"message": {"content": "ok"}}]})

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            for _ in range(100):
                assert isinstance(await endpoint.ask(client, [b"{}"]), list)

    async def main() -> None:
        asking.append(asyncio.create_task(ask()))
        await asking[0]

    asking: list[asyncio.Task[None]] = []
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert asked <= 4
