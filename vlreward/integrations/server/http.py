"""uvicorn with what it leaves out: a time and a size for the head of a request."""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from vlreward.integrations.server.options import ServerOptions

__all__ = ["BoundedProtocol", "config_for", "make_server", "run_processes"]

_MAX_HEAD = 64 * 1024
_MAX_CONNECTIONS = 2048  # at a time; beyond that 503
_IDLE_SECONDS = 75  # that a connection may stay open between requests


class BoundedProtocol(HttpToolsProtocol):  # type: ignore[misc, unused-ignore]
    """Closes connections whose request head does not arrive in time or is too large.

    Without it a client that opens connections and sends nothing, or a byte now and then, could
    hold them for ever.
    """

    def __init__(self, *args: Any, head_timeout: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._edges = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
        """Await the first head."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """Await the rest of a head that has begun."""
        super().on_message_begin()
        self._edges += 1
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._disarm()
        self._edges += 1
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head that is not complete."""
        before = self._edges
        super().data_received(data)
        # Where a head began or ended in these bytes, an unknown part of them is another's.
        self._head_bytes = self._head_bytes + len(data) if self._edges == before else 0
        if self._head_timer is not None and self._head_bytes > _MAX_HEAD:
            self._give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._disarm()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self._head_timeout, self._give_up)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._disarm()
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):  # type: ignore[misc, unused-ignore]
    """Ends with exit code 0 after SIGTERM, and says when it is ready."""

    ready: Callable[[str], None] | None = None
    should_exit: bool

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.ready is not None and self.started:
            self.ready(_address(self.servers[0].sockets[0]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what is in flight; at the second signal end at once."""
        again: bool = self.should_exit
        self.force_exit = again
        self.should_exit = True


def config_for(app: Starlette | Callable[[], Starlette], options: ServerOptions) -> uvicorn.Config:
    """uvicorn's configuration for the application, or for what makes it in each process."""
    protocol: Any = functools.partial(BoundedProtocol, head_timeout=options.head_timeout)
    return uvicorn.Config(
        app,
        factory=not isinstance(app, Starlette),
        workers=options.processes,
        host=options.host,
        port=options.port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=2048,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=int(options.grace) or 1,
    )


def make_server(config: uvicorn.Config, ready: Callable[[str], None] | None) -> uvicorn.Server:
    """The server for a configuration."""
    server = _Server(config)
    server.ready = ready
    return server


def run_processes(config: uvicorn.Config, ready: Callable[[str], None] | None) -> None:
    """Serve from several processes that accept connections from one socket.

    A process that dies is started again. Returns when all have ended after SIGTERM or SIGINT.
    """
    listener = config.bind_socket()
    listener.listen(config.backlog)  # who connects before the processes are up waits for them
    if ready is not None:
        ready(_address(listener))
    # Some versions of uvicorn have to be told what each process runs.
    told = "target" in inspect.signature(Multiprocess).parameters
    target = {"target": uvicorn.Server(config).run} if told else {}
    Multiprocess(config, sockets=[listener], **target).run()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
