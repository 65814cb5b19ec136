"""One OpenAI-compatible endpoint: its address, its clients, and its replies as typed values."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlreward._http import backoff_seconds
from vlreward._text import one_line
from vlreward.engines._loop import own_loop
from vlreward.engines._protocol import model_names, read, refused
from vlreward.engines.values import EngineError, Generation, GenerationError
from vlreward.errors import OptionError

if TYPE_CHECKING:
    import httpx

__all__ = ["Endpoint", "Pacer", "choose_model"]

_MAX_REPLY = 32 << 20
"""Bytes of a reply: a thousand times what an answer needs."""
_LISTED_WITHIN = 60.0
"""Seconds for the list of models."""
_STARTING = ("connection", "timeout", "http_502", "http_503", "http_504")
"""What a server answers that is not up yet."""


class Endpoint:
    """An address that takes chat completions.

    Args:
        base_url: Address up to and including `/v1`.
        api_key: Bearer token, or None for none.
        timeout: Seconds for a whole answer.
        tries: How often to send a request before it counts as failed.
        per_minute: Largest number of requests a minute, evenly spaced; None for no limit.
        backoff: Seconds to wait after the first failure; doubled each time, with jitter.

    Raises:
        OptionError: If the address is no http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        timeout: float,
        tries: int,
        per_minute: float | None,
        backoff: float,
    ) -> None:
        import httpx

        try:
            url = httpx.URL(base_url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise OptionError(f"expected an http address, got {base_url!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise OptionError(
                f"expected an address like http://localhost:8000/v1, got {base_url!r}"
            )
        self._url = str(url)
        self.shown_url = str(url.copy_with(userinfo=b""))
        """The address without any password, for messages."""
        self.near = _is_loopback(url.host)
        """Whether it is this very machine, to which bytes cost nothing."""
        self._timeout, self._tries, self._backoff = timeout, tries, backoff
        self._pacer, self._rng = Pacer(per_minute), random.Random()
        # A compressed reply would grow here before its size is known.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        # A proxy configured for the outside world must not be asked for this very machine.
        self._options: dict[str, Any] = {
            "headers": headers,
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 15.0), pool=None),
            "trust_env": not self.near,
            "verify": httpx.create_ssl_context() if url.scheme == "https" else False,
        }

    def client(self) -> httpx.AsyncClient:
        """A client for one request at a time; close it after use."""
        import httpx

        return httpx.AsyncClient(**self._options)

    async def ask(
        self, client: httpx.AsyncClient, body: Sequence[bytes]
    ) -> list[Generation] | GenerationError:
        """Send one chat completion request, again where that may help, and read the reply."""
        length = {"Content-Length": str(sum(map(len, body)))}
        attempt = 0
        while True:
            attempt += 1
            await self._pacer.wait()
            started = time.monotonic()
            found = await self._exchange(
                client,
                "POST",
                "chat/completions",
                self._timeout,
                content=_sent(body),
                headers=length,
            )
            reply = read(found, self.shown_url) if isinstance(found, bytes) else found
            if isinstance(reply, list):
                seconds = round(time.monotonic() - started, 4)
                return [replace(answer, seconds=seconds) for answer in reply]
            if not reply.retryable:
                return reply
            if attempt >= self._tries:
                return replace(reply, detail=f"{reply.detail} (gave up after {attempt} tries)")
            if reply.retry_after is not None:
                self._pacer.pause(reply.retry_after)
            else:
                await asyncio.sleep(backoff_seconds(attempt, self._backoff, self._rng))

    def models(self) -> dict[str, str]:
        """Names that the endpoint serves, each with the server's name; empty if it does not say.

        Raises:
            EngineError: If there is no endpoint at the address, or it refuses the key.
        """
        with own_loop() as loop:
            return loop.run_until_complete(self._models())

    async def _models(self) -> dict[str, str]:
        started, problem = time.monotonic(), ""
        async with self.client() as client:
            for attempt in range(1, self._tries + 1):
                found = await self._exchange(client, "GET", "models", _LISTED_WITHIN)
                if isinstance(found, bytes):
                    return model_names(found)
                if found.kind in ("http_401", "http_403", "bad_reply"):
                    raise EngineError(found.detail)
                if found.kind not in _STARTING:
                    return {}
                problem = found.detail
                if attempt < self._tries:
                    await asyncio.sleep(backoff_seconds(attempt, self._backoff, self._rng))
        seconds = time.monotonic() - started
        raise EngineError(
            f"{problem} (gave up after {self._tries} tries in {seconds:.1f} s). Is the server "
            "running, has it finished loading, and is --base-url right?"
        )

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, seconds: float, **more: Any
    ) -> bytes | GenerationError:
        """What is answered with status 200, or why nothing is."""
        import anyio
        import httpx

        try:
            # httpx's own limit is for each read: a server that sends a blank now and then, to keep
            # the connection open, would never come to it. asyncio's wait_for loses a cancellation
            # that meets the answer (before Python 3.12): what was closed would go on asking.
            with anyio.fail_after(seconds):
                async with client.stream(method, f"{self._url}/{path}", **more) as response:
                    content = bytearray()
                    async for chunk in response.aiter_bytes():
                        content += chunk
                        if len(content) > _MAX_REPLY:
                            text = f"{self.shown_url} sends more than {_MAX_REPLY >> 20} MiB"
                            return GenerationError("bad_reply", text)
            if response.status_code == 200:
                return bytes(content)
            keyed = "Authorization" in self._options["headers"]
            status, headers = response.status_code, response.headers
            return refused(status, headers, bytes(content), self.shown_url, keyed=keyed)
        except (httpx.TimeoutException, TimeoutError) as error:
            limits: httpx.Timeout = self._options["timeout"]
            connecting = isinstance(error, httpx.ConnectTimeout)
            what = "connection to" if connecting else "answer from"
            limit = (limits.connect if connecting else limits.read) or seconds
            detail = f"no {what} {self.shown_url} within {min(limit, seconds):g} s"
            return GenerationError("timeout", detail, True)
        except (httpx.TransportError, httpx.DecodingError) as error:
            detail = f"no connection to {self.shown_url}: {type(error).__name__}: {error}"
            return GenerationError("connection", one_line(detail), True)


async def _sent(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Pacer:
    """Lets requests pass at a limited rate, and holds all of them back when a server asks for it.

    Args:
        per_minute: Largest number of requests a minute, evenly spaced; None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 0.0 if per_minute is None else 60.0 / per_minute
        self._next = 0.0
        self._hold = 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing pass for that long."""
        self._hold = max(self._hold, time.monotonic() + seconds)

    async def wait(self) -> None:
        """Return when the caller may send."""
        if self._gap:
            slot = max(time.monotonic(), self._next)
            self._next = slot + self._gap
            await asyncio.sleep(max(0.0, slot - time.monotonic()))
        while (rest := self._hold - time.monotonic()) > 0:
            await asyncio.sleep(rest)


def choose_model(model: str | None, served: list[str], url: str) -> str:
    """The model to ask for: as named, or the only one that is served.

    Some endpoints list less than they serve: a name that is not listed is left to them to refuse.

    Raises:
        EngineError: If no model is named and there is not exactly one to choose.
    """
    if model is not None:
        return model
    if len(served) == 1:
        return served[0]
    listed = ", ".join(served[:10]) or "none"
    raise EngineError(f"{url} lists {len(served)} models ({listed}): name one by --model")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
