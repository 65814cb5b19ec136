"""An HTTP server on the loopback that answers as each test scripts it."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Stub:
    """What the server received, and how it answers.

    `reply` is called with the number of the chat request (from 1) and its parsed body; it returns
    (status, headers, body) or `"cut"` to break the connection in the middle of the body. `models`
    is the answer to GET /v1/models.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Callable[[int, dict[str, Any]], Any] = lambda n, body: self.answer("ok")
        self.models: tuple[int, bytes] = (200, json.dumps({"data": [{"id": "m"}]}).encode())
        self.open_now = self.most_open = 0
        self.lock = threading.Lock()
        self.url = ""

    @staticmethod
    def answer(
        text: str | None, finish: str = "stop", **extra: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """A well-formed reply."""
        body = {
            "model": "m-served",
            "choices": [
                {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
            ],
            **extra,
        }
        return 200, {}, json.dumps(body).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body of a second reply waits 40 ms for the client
    stub: Stub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._give(self.stub.models[0], {}, self.stub.models[1])

    def do_POST(self) -> None:
        stub = self.stub
        sent = self.rfile.read(length := int(self.headers["Content-Length"]))
        if len(sent) < length:
            raise ConnectionError("the client gave up")
        body = json.loads(sent)
        with stub.lock:
            stub.requests.append(body)
            stub.headers.append(dict(self.headers))
            number = len(stub.requests)
            stub.open_now += 1
            stub.most_open = max(stub.most_open, stub.open_now)
        try:
            reply = stub.reply(number, body)
        finally:
            with stub.lock:
                stub.open_now -= 1
        if reply == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [{"mess')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self._give(*reply)

    def _give(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # else a connection that finds the queue full waits for a second

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that gave up is part of what is tested; anything else is not.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Stub]:
    """A running server; `url` is its base URL."""
    stub = Stub()
    server = _Server(("127.0.0.1", 0), type("Handler", (Handler,), {"stub": stub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()
