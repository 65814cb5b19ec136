"""The endpoints."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import gc
import hmac
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from vlreward.integrations.scorer import Scored, Scorer
from vlreward.integrations.server.lanes import Busy, Lanes
from vlreward.integrations.server.metrics import ServerMetrics
from vlreward.integrations.server.options import ServerOptions
from vlreward.integrations.server.schemas import (
    BadRequest,
    Item,
    PaddleRequest,
    ScoreRequest,
    parse_body,
    read_fields,
)

__all__ = ["create_app"]

_LOG = logging.getLogger("vlreward.server")
_MAX_BODY = 8 * 2**20  # bytes; more is answered with 413
_SCORE_SECONDS = 300  # in which a request must be scored; answered with 503 after
_SHOWN_AT_A_TIME = 64
_SWITCH_INTERVAL = 0.0005
_Body = TypeVar("_Body", PaddleRequest, ScoreRequest)
_Handler = Callable[[Request], Awaitable[Response]]


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def create_app(options: ServerOptions) -> Starlette:
    """The server as an ASGI application.

    Raises:
        ValueError: If the settings fit no task.
    """
    return _Endpoints(options).app()


class _Endpoints:
    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._metrics = ServerMetrics()
        self._scorer = Scorer(options.settings)
        token = options.token
        self._token = None if token is None else token.get_secret_value().encode("ascii")
        self._ending = False
        self._lanes = Lanes(self._scorer, options, self._metrics)

    def app(self) -> Starlette:
        """Routes and life of the application."""
        routes = [
            Route("/", self._endpoint("paddle", self._paddle, _paddle_error), methods=["POST"]),
            Route("/score", self._endpoint("score", self._score, _error), methods=["POST"]),
            Route("/healthz", self._health, methods=["GET"]),
            Route("/metrics", self._endpoint("metrics", self._show, _error), methods=["GET"]),
        ]
        return Starlette(
            routes=routes, lifespan=self._life, exception_handlers={HTTPException: _no_route}
        )

    @contextlib.asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        from vlreward.verify import PoolOptions, configure, shutdown

        configure(PoolOptions(workers=self._options.workers_each))
        warming = asyncio.create_task(asyncio.to_thread(self._warm_up))
        _end_with_parent()
        # Threads that wait for worker processes hand the interpreter back sooner than by default.
        sys.setswitchinterval(_SWITCH_INTERVAL)
        # All that was imported is here to stay; going through it took the collector, and with it
        # every request of that moment, some 25 milliseconds every few seconds.
        gc.collect()
        gc.freeze()
        # A body may hold a hundred thousand lists, which refer to nothing that could be freed.
        gc.set_threshold(50_000, 20, 100)
        try:
            yield
        finally:
            self._ending = True
            self._lanes.close()
            await asyncio.to_thread(shutdown)
            await warming

    def _warm_up(self) -> None:
        """Have workers ready before the first comparison that needs one."""
        from vlreward.verify import warm_up

        try:
            warm_up()
        except RuntimeError as error:
            if not self._ending:
                _LOG.warning("comparisons that need a worker process will fail: %s", error)

    def _endpoint(
        self, name: str, handler: _Handler, error: Callable[[_Refused], Response]
    ) -> _Handler:
        """A handler with authentication, errors as answers, and metrics."""

        async def answer(request: Request) -> Response:
            started = perf_counter()
            try:
                self._authenticate(request)
                response = await handler(request)
            except _Refused as refused:
                response = error(refused)
            except Busy as busy:
                headers = {"retry-after": str(busy.retry_after)}
                response = error(_Refused(busy.status, str(busy), headers))
            except ClientDisconnect:
                self._metrics.dropped.labels("client left").inc()
                return Response(status_code=499)  # nobody reads it
            except Exception:
                _LOG.exception("a request to %s failed", name)
                response = error(_Refused(500, "internal error; the server's log has the details"))
            self._metrics.requests.labels(name, str(response.status_code)).inc()
            self._metrics.seconds.labels(name).observe(perf_counter() - started)
            return response

        return answer

    def _authenticate(self, request: Request) -> None:
        if self._token is None:
            return
        given = _token_of(request.headers.get("authorization", ""))
        if not hmac.compare_digest(given, self._token):
            raise _Refused(
                401, "expected the server's token", {"www-authenticate": 'Bearer realm="vlreward"'}
            )

    async def _health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    async def _show(self, _request: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=self._metrics.content_type)

    async def _paddle(self, request: Request) -> Response:
        body = await self._read(PaddleRequest, request)
        if not len(body.src) == len(body.tgt) == len(body.response):
            raise _Refused(
                422,
                f"expected src, tgt and response of one length, got {len(body.src)}, "
                f"{len(body.tgt)} and {len(body.response)}",
            )
        items = [
            Item.model_construct(completion=text, gold=gold)
            for text, gold in zip(body.response, body.tgt)
        ]
        results = await self._results(request, items)
        scores = [result.numbers["score"] for result in results]
        return _json({"error_code": 0, "error_msg": "Success", "score": scores})

    async def _score(self, request: Request) -> Response:
        body = await self._read(ScoreRequest, request)
        results = await self._results(request, body.items)
        parts = [
            await self._lanes.in_turn(partial(_shown, results[at : at + _SHOWN_AT_A_TIME]))
            for at in range(0, len(results), _SHOWN_AT_A_TIME)
        ]
        return Response(b'{"scores":[%b]}' % b",".join(parts), media_type="application/json")

    async def _read(self, model: type[_Body], request: Request) -> _Body:
        content = await self._body(request)
        try:
            fields = await self._lanes.in_turn(partial(parse_body, content))
            return await self._lanes.in_turn(partial(read_fields, model, fields))
        except BadRequest as error:
            raise _Refused(413 if error.too_large else 422, str(error)) from None

    async def _body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > _MAX_BODY:
            raise _too_large()
        try:
            return await asyncio.wait_for(_chunks(request), self._options.body_timeout)
        except asyncio.TimeoutError:
            self._metrics.dropped.labels("body too slow").inc()
            raise _Refused(
                408,
                f"the body did not arrive within {self._options.body_timeout:g} seconds",
                _CLOSE,
            ) from None

    async def _results(self, request: Request, items: list[Item]) -> list[Scored]:
        try:
            return await self._watched(request, self._lanes.score(items))
        except ValueError as error:
            raise _Refused(422, str(error)) from None

    async def _watched(self, request: Request, scoring: Any) -> list[Scored]:
        """Results, unless the client leaves or time is up first."""
        work = asyncio.ensure_future(scoring)
        left = asyncio.ensure_future(_until_left(request))
        try:
            await asyncio.wait(
                (work, left),
                timeout=_SCORE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if work.done():
                results: list[Scored] = work.result()
                return results
            if left.done():
                raise ClientDisconnect
            raise Busy(503, "the request could not be scored in time", retry_after=5)
        finally:
            work.cancel()
            left.cancel()
            await asyncio.gather(work, left, return_exceptions=True)


def _end_with_parent() -> None:
    """Have one of several processes end like the others if the one that started them is killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop, sentinel = asyncio.get_running_loop(), parent.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sentinel, end)


_CLOSE = {"connection": "close"}


async def _chunks(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _MAX_BODY:
            raise _too_large()
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large() -> _Refused:
    # The rest of the body is not read, so the connection cannot be used again.
    return _Refused(413, f"expected a body of at most {_MAX_BODY} bytes", _CLOSE)


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _token_of(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return value.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""


def _shown(results: Sequence[Scored]) -> bytes:
    """Some results as JSON, without the brackets of a list."""
    shown = []
    for result in results:
        score = result.score
        failure, answer = score.failure, score.answer
        code = None if failure is None else asdict(failure) | {"code": failure.code.value}
        shown.append(
            {
                "task": result.task,
                "value": score.value,
                "terms": score.terms,
                "acc": result.numbers["acc"],
                "failure": code,
                "answer": list(answer) if isinstance(answer, (list, tuple)) else answer,
            }
        )
    return _encoded(shown)[1:-1]


def _encoded(value: Any) -> bytes:
    # A lone surrogate, which a completion may hold, is written as an escape.
    return json.dumps(value, separators=(",", ":"), default=str).encode("ascii")


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encoded(value), status, headers, "application/json")


def _error(refused: _Refused) -> Response:
    return _json({"error": str(refused)}, refused.status, refused.headers)


def _paddle_error(refused: _Refused) -> Response:
    # Without a score PaddleNLP's trainer warns that it uses 0 in its place; with zeros it would
    # take them for rewards and say nothing.
    body = {"error_code": refused.status, "error_msg": str(refused), "score": None}
    return _json(body, refused.status, refused.headers)


async def _no_route(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _json({"error": error.detail}, error.status_code, headers)
