"""Requests made to keep the server busy: nothing that reads them may hold up anybody else.

What the event loop does without a pause is measured in processor time, which other processes of the
machine cannot lengthen.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from .conftest import Start

pytest.importorskip("starlette", reason="starlette is not installed: it needs the extra serve")

MOST_SECONDS = 0.05
MIB = 2**20
COUNT = '{"vlreward":1,"gold":{"task":"counting","count":4}}'
MATH = '{"vlreward":1,"gold":{"task":"geometry","expression":"7"}}'
BOX = '{"vlreward":1,"gold":{"task":"rec","box":[0,0,9,9]},"frame":"original_px"}'
BLANKS = "[1,2," + " " * 19_900 + "3,4]"
TOKENS = "1" + "<s> " * 4_900 + "1"


def items(*fields: dict[str, Any]) -> bytes:
    return json.dumps({"items": list(fields)}).encode()


def gold(value: Any, task: str = "rec") -> dict[str, Any]:
    return {"completion": "<answer>[1,2,3,4]</answer>", "gold": value, "task": task}


def text(completion: str, envelope: str = COUNT) -> dict[str, Any]:
    return {"completion": completion, "gold": envelope}


ATTACKS: dict[str, Callable[[], bytes]] = {
    "one gold with white space": lambda: items(*[gold(BLANKS)] * 40),
    "golds with white space": lambda: items(*[gold(f"{BLANKS}{i}") for i in range(40)]),
    "gold with tokens": lambda: items(*[gold(f"{TOKENS}{i}", "geometry") for i in range(40)]),
    "gold of brackets": lambda: items(*[gold("[" * 200 + str(i)) for i in range(400)]),
    "gold of many numbers": lambda: items(gold(list(range(100_000)))),
    "gold of many fields": lambda: items(gold({str(i): i for i in range(100_000)})),
    "golds as Python": lambda: items(*[gold(f"({'1,' * 9_000}{i})") for i in range(7)]),
    "braces": lambda: items(text("{" * (7 * MIB), MATH)),
    "boxed": lambda: items(text(r"\boxed{" * MIB, MATH)),
    "blanks": lambda: items(text("4" + " " * (7 * MIB))),
    "end tokens": lambda: items(text("4" + "</s>" * MIB)),
    "answers": lambda: items(text("<answer>4</answer>" * (MIB // 4))),
    "numbers": lambda: items(text("<answer>" + "1 " * 65_000 + "</answer>")),
    "boxes": lambda: items(*[text("<answer>" + "[1,2,3,4]" * 2_000 + "</answer>", BOX)] * 12),
    "a full batch": lambda: items(*[text(f"<answer>{i}</answer>") for i in range(8192)]),
    "too many items": lambda: b'{"items":[' + b",".join([b"0"] * 130_000) + b"]}",
    "millions of items": lambda: b'{"items":[' + b",".join([b"0"] * 4_000_000) + b"]}",
    "unknown fields": lambda: items({f"field {i}": i for i in range(120_000)}),
    "nested": lambda: b'{"items":[{"completion":"","gold":' + b"[" * (4 * MIB),
    "escapes": lambda: b'{"items":[{"completion":"' + rb"\u00e9" * MIB + b'","gold":0}]}',
}  # fmt: skip


class Longest:
    """The longest that the event loop was busy with one thing, in processor time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        run = asyncio.Handle._run

        def measured(handle: asyncio.Handle) -> None:
            started = time.thread_time()
            run(handle)
            self.seconds = max(self.seconds, time.thread_time() - started)

        monkeypatch.setattr(asyncio.Handle, "_run", measured)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_request_holds_up_the_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlreward.integrations.server.app import create_app
    from vlreward.integrations.server.options import ServerOptions

    body = ATTACKS[name]()
    app = create_app(ServerOptions())

    async def ask() -> tuple[float, int]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://x", timeout=60
        ) as client:
            await client.post("/score", content=items(text("4")))  # imports what it needs
            gc.collect()
            gc.freeze()  # as a server does that has started
            longest = Longest(monkeypatch)
            answer = await client.post("/score", content=body)
            gc.unfreeze()
            return longest.seconds, answer.status_code

    seconds, status = min(asyncio.run(ask()) for _ in range(2))
    assert status in (200, 413, 422)
    assert seconds < MOST_SECONDS


def test_sigterm_ends_an_attacked_server_within_its_grace(start: Start) -> None:
    server = start(fields={"grace": 3})
    body = items(*[gold(f"{BLANKS}{i}") for i in range(40)])

    def attack() -> None:
        with server.client() as client:
            while True:
                try:
                    client.post("/score", content=body)
                except httpx.HTTPError:
                    return

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(attack)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        # Without a grace period it would never end; how late it is depends on the machine.
        assert server.process.wait(3 + 25) == 0


def test_pipelined_requests_are_all_answered(start: Start) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 2_000)
        received = b""
        while received.count(b'{"status":"ok"}') < 2_000:
            more = connection.recv(2**20)
            assert more, f"closed after {received.count(b'HTTP/1.1 200')} answers"
            received += more
    body = items(text("<answer>4</answer>"))
    head = b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall((head + body) * 1_000)
        received = b""
        while received.count(b'"value":1.0') < 1_000:
            more = connection.recv(2**20)
            assert more, "the connection was closed"
            received += more
