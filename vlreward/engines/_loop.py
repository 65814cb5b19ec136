"""An event loop with which everything ends that was begun in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["own_loop"]


@contextmanager
def own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A new event loop; leaving it cancels its tasks and closes what they left connected.

    Before 4.16 anyio, and so httpx, loses a connection, open, that a time limit or a cancellation
    meets as it is made. A busy machine is enough for that.
    """
    loop = asyncio.new_event_loop()
    connect, made = loop.create_connection, dict[int, asyncio.Transport]()

    async def connected(*args: Any, **options: Any) -> Any:
        transport, protocol = await connect(*args, **options)
        # The number of a socket that was closed is given again: `made` stays as small as what was
        # open at one time.
        made[transport.get_extra_info("socket").fileno()] = transport
        return transport, protocol

    loop.create_connection = connected  # type: ignore[method-assign]
    try:
        yield loop
    finally:
        try:
            loop.run_until_complete(_end())
            for transport in made.values():
                transport.abort()
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _end() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
