"""What is left in an event loop of an engine: nothing of it outlives the loop."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import anyio
import pytest

from vlreward.engines._endpoint import Endpoint
from vlreward.engines._loop import own_loop


@pytest.mark.parametrize("closed", [False, True])
def test_what_was_connected_is_closed(stub: Any, closed: bool) -> None:
    port = int(stub.url.removesuffix("/v1").rpartition(":")[2])
    with own_loop() as loop:
        connect = loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport, _ = loop.run_until_complete(connect)
        connection = transport.get_extra_info("socket")
        if closed:
            transport.close()
        assert connection.fileno() > 0
    assert transport.is_closing()
    assert connection.fileno() == -1


def test_tasks_are_cancelled() -> None:
    with own_loop() as loop:
        task = loop.create_task(asyncio.sleep(60))
    assert task.cancelled()
    assert loop.is_closed()


@pytest.mark.parametrize("by", ["cancellation", "time limit"])
def test_no_connection_outlives_a_request_that_is_ended(stub: Any, by: str) -> None:
    """Before anyio 4.16 one that was just made was lost, open."""
    endpoint = Endpoint(stub.url, None, timeout=30.0, tries=1, per_minute=None, backoff=0.0)

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            async with endpoint.client() as client:
                await endpoint.ask(client, [b"{}"])

    async def ended_after(steps: int) -> None:
        scope = anyio.CancelScope()
        task = asyncio.ensure_future(ask(scope))
        for _ in range(steps):
            await asyncio.sleep(0)
        (task if by == "cancellation" else scope).cancel()
        await asyncio.wait([task])

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for steps in range(60):
            with own_loop() as loop:
                loop.run_until_complete(ended_after(steps))
        gc.collect()
    port = stub.url.removesuffix("/v1").rpartition(":")[2]
    assert [str(each.message) for each in told if port in str(each.message)] == []
