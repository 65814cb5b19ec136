"""The endpoints."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any

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
    read_body,
)
from vlreward.types import Score

__all__ = ["create_app"]

_LOG = logging.getLogger("vlreward.server")
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
        self._lanes: Lanes | None = None

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

        configure(PoolOptions(workers=self._options.workers))
        self._lanes = Lanes(self._scorer, self._options, self._metrics)
        try:
            yield
        finally:
            self._lanes.close()
            await asyncio.to_thread(shutdown)

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
        body = self._read(PaddleRequest, await self._body(request))
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
        body = self._read(ScoreRequest, await self._body(request))
        results = await self._results(request, body.items)
        return _json({"scores": [_shown(result) for result in results]})

    @staticmethod
    def _read(model: Any, body: bytes) -> Any:
        try:
            return read_body(model, body)
        except BadRequest as error:
            raise _Refused(422, str(error)) from None

    async def _body(self, request: Request) -> bytes:
        limit = self._options.max_body
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise self._too_large(limit)
        try:
            return await asyncio.wait_for(self._chunks(request, limit), self._options.body_timeout)
        except asyncio.TimeoutError:
            self._metrics.dropped.labels("body too slow").inc()
            raise _Refused(
                408,
                f"the body did not arrive within {self._options.body_timeout:g} seconds",
                _CLOSE,
            ) from None

    async def _chunks(self, request: Request, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise self._too_large(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @staticmethod
    def _too_large(limit: int) -> _Refused:
        # The rest of the body is not read, so the connection cannot be used again.
        return _Refused(413, f"expected a body of at most {limit} bytes", _CLOSE)

    async def _results(self, request: Request, items: list[Item]) -> list[Scored]:
        assert self._lanes is not None
        if len(items) > self._options.max_batch:
            raise _Refused(
                413, f"expected at most {self._options.max_batch} completions, got {len(items)}"
            )
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
                timeout=self._options.score_timeout,
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


_CLOSE = {"connection": "close"}


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


def _shown(result: Scored) -> dict[str, Any]:
    score: Score = result.score
    failure = score.failure
    answer = score.answer
    return {
        "task": result.task,
        "value": score.value,
        "terms": score.terms,
        "acc": result.numbers["acc"],
        "failure": None
        if failure is None
        else {"code": failure.code.value, "detail": failure.detail, "span": failure.span},
        "answer": list(answer) if isinstance(answer, (list, tuple)) else answer,
    }


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # A lone surrogate, which a completion may hold, is written as an escape.
    body = json.dumps(value, separators=(",", ":"), default=str).encode("ascii")
    return Response(body, status, headers, "application/json")


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
