"""Endpoints of the tests of engines."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.endpoint import Handler, Stub, serving


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A running server; `stub.url` is its base URL."""
    with serving() as stub:
        yield stub


@pytest.fixture
def trickle(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The server, but its replies never come to an end: a blank every tenth of a second."""

    def give(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
        if handler.command == "GET":
            whole(handler, status, headers, body)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    whole = Handler._give
    monkeypatch.setattr(Handler, "_give", give)
    return stub


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nothing listens, and which no other test is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
