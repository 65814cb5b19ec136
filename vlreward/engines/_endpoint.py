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
from vlreward.engines._replies import model_names, read, refused
from vlreward.engines.values import EngineError, Generation, GenerationError
from vlreward.errors import OptionError

if TYPE_CHECKING:
    import httpx

__all__ = ["Endpoint", "Pacer", "choose_model"]

_MAX_REPLY = 32 << 20
"""Bytes of a reply: a thousand times what an answer needs."""


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
        """Send one chat completion request, again where that may help, and read the reply.

        Args:
            client: Of `client`.
            body: The parts of the request's body.
        """
        attempt = 0
        while True:
            attempt += 1
            await self._pacer.wait()
            started = time.monotonic()
            reply = await self._post(client, body)
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

    async def _post(
        self, client: httpx.AsyncClient, body: Sequence[bytes]
    ) -> list[Generation] | GenerationError:
        import httpx

        length = {"Content-Length": str(sum(map(len, body)))}

        async def parts() -> AsyncIterator[bytes]:
            for part in body:
                yield part

        async def exchange() -> list[Generation] | GenerationError:
            async with client.stream(
                "POST", f"{self._url}/chat/completions", content=parts(), headers=length
            ) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _MAX_REPLY:
                        return self._too_long()
                if response.status_code != 200:
                    return self._refused(response, bytes(content))
                return read(bytes(content), self.shown_url)

        try:
            # httpx's own limit is for each read: a server that sends a blank now and then, to keep
            # the connection open, would never come to it.
            return await asyncio.wait_for(exchange(), self._timeout)
        except (httpx.TimeoutException, asyncio.TimeoutError):
            detail = f"no answer from {self.shown_url} within {self._timeout:g} s"
            return GenerationError("timeout", detail, True)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return GenerationError("connection", self._unreachable(error), True)

    def models(self) -> dict[str, str]:
        """Names that the endpoint serves, each with the server's name; empty if it does not say.

        Raises:
            EngineError: If there is no endpoint at the address, or it refuses the key.
        """
        import httpx

        started = time.monotonic()
        options = {**self._options, "timeout": httpx.Timeout(30.0, connect=15.0)}
        with httpx.Client(**options) as client:
            for attempt in range(1, self._tries + 1):
                try:
                    with client.stream("GET", f"{self._url}/models") as response:
                        content = bytearray()
                        for chunk in response.iter_bytes():
                            content += chunk
                            if (
                                len(content) > _MAX_REPLY
                                or time.monotonic() > started + 60 * attempt
                            ):
                                raise EngineError(self._too_long().detail)
                except (httpx.TransportError, httpx.DecodingError) as error:
                    problem = self._unreachable(error)
                else:
                    status = response.status_code
                    if status == 200:
                        return model_names(bytes(content))
                    refusal = self._refused(response, bytes(content))
                    if status in (401, 403):
                        raise EngineError(refusal.detail)
                    if status not in (502, 503, 504):
                        return {}
                    problem = refusal.detail
                if attempt < self._tries:
                    time.sleep(backoff_seconds(attempt, self._backoff, self._rng))
        seconds = time.monotonic() - started
        raise EngineError(
            f"{problem} (gave up after {self._tries} tries in {seconds:.1f} s). Is the server "
            "running, has it finished loading, and is --base-url right?"
        )

    def _refused(self, response: httpx.Response, content: bytes) -> GenerationError:
        keyed = "Authorization" in self._options["headers"]
        status, headers = response.status_code, response.headers
        return refused(status, headers, content, self.shown_url, keyed=keyed)

    def _too_long(self) -> GenerationError:
        text = f"{self.shown_url} sends more than {_MAX_REPLY >> 20} MiB, or without an end"
        return GenerationError("bad_reply", text, False)

    def _unreachable(self, error: Exception) -> str:
        return one_line(f"no connection to {self.shown_url}: {type(error).__name__}: {error}")


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
