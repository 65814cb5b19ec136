"""The engine `openai`: any endpoint that speaks the OpenAI chat completions protocol.

vLLM, SGLang, FastDeploy and `transformers serve` do. Images are resized on the client to the size
that the model family's own processor would choose, and sent as lossless PNG: resizing is a fixed
point, so the server leaves them alone and the frame of the boxes is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlreward._http import backoff_seconds
from vlreward.engines import _endpoint
from vlreward.engines._bodies import Bodies, Prepared
from vlreward.engines._replies import Answer
from vlreward.engines._retry import Pacer
from vlreward.engines.base import (
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    Sampling,
    resolve_family,
)
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    import httpx

    from vlreward.frames import ModelFamily

__all__ = ["OpenAIEngine", "from_config"]

_SYSTEMIC = frozenset({"connection", "http_401", "http_403", "http_404"})
_BREAKER = 16
"""So many requests in a row lost to the endpoint itself, and the run stops."""


class OpenAIEngine:
    """Generates through an HTTP endpoint, many requests at a time.

    Args:
        model: Name that the endpoint serves; None if it serves exactly one.
        base_url: Address up to and including `/v1`.
        sampling: How tokens are drawn.
        api_key: Sent as a bearer token; None for the environment variable OPENAI_API_KEY.
        family: Family of the model, which decides the resizing; None to read it from the name.
        min_pixels: Smallest image area, as the server is configured; None for the family's.
        max_pixels: Largest image area, as the server is configured; None for the family's.
        concurrency: Requests in flight.
        requests_per_minute: Largest rate, retries included; None for no limit.
        timeout: Seconds to wait for an answer.
        tries: How often a request is sent before it counts as failed.
        backoff: Seconds to wait after the first failure; doubled each time, with jitter.
        extra_body: Added to every request body, e.g. `{"skip_special_tokens": False}`.

    Raises:
        EngineError: If the endpoint does not answer, refuses the key, or does not serve the model.
    """

    name = "openai"
    rank = 0
    world_size = 1

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str = "http://localhost:8000/v1",
        sampling: Sampling | None = None,
        api_key: str | None = None,
        family: str | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        concurrency: int = 32,
        requests_per_minute: float | None = None,
        timeout: float = 600.0,
        tries: int = 6,
        backoff: float = 0.5,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        if concurrency < 1 or tries < 1:
            raise OptionError(
                "expected concurrency and tries of at least 1, got "
                f"concurrency={concurrency!r}, tries={tries!r}"
            )
        self.sampling = Sampling() if sampling is None else sampling
        self._endpoint = _endpoint.Endpoint(
            base_url, os.environ.get("OPENAI_API_KEY") if api_key is None else api_key, timeout
        )
        self._concurrency, self._tries, self._backoff = concurrency, tries, backoff
        self._pacer = Pacer(requests_per_minute)
        self._extra = dict(extra_body or {})
        self._rng = random.Random()
        self._lost_in_a_row = 0
        self._warned = False
        self.served_models = self._endpoint.models(tries, backoff)
        """Names that the endpoint listed when the engine was built; empty if it lists none."""
        self.model = _endpoint.choose_model(model, self.served_models, self._endpoint.shown_url)
        self.family = resolve_family(family, self.model)
        self._resizing = _resizing(self.family, self.model, min_pixels, max_pixels)
        self._bodies = Bodies(self.model, self.sampling, self._resizing, self._extra)
        workers = min(8, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="vlreward-images")

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the address, the key or the concurrency."""
        return {
            "engine": self.name,
            "model": self.model,
            "sampling": self.sampling.describe(),
            "image": None if self._resizing is None else asdict(self._resizing),
            **({"extra_body": self._extra} if self._extra else {}),
        }

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) to which an image of that size is resized, None if it is left alone."""
        return None if self._resizing is None else self._resizing.size(image_size)

    def gather(self, value: Any) -> list[Any]:
        """`[value]`: one process talks to the endpoint."""
        return [value]

    def close(self) -> None:
        """Stop the threads that prepare images."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) as answers arrive.

        Requests are drawn from the iterable one by one, when one of the `concurrency` slots is
        free: neither images nor answers pile up.

        Raises:
            EngineError: If 16 requests in a row were lost to the endpoint itself.
        """
        source = iter(requests)
        done: deque[tuple[str, Outcome]] = deque()
        raised: list[BaseException] = []
        loop = asyncio.new_event_loop()
        news = asyncio.Event()

        async def slot() -> None:
            # One client per slot: a shared pool searches all its connections for each request.
            async with self._endpoint.client() as client:
                for request in source:
                    done.append((request.key, await self._answer(client, request)))
                    news.set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                raised.append(error)
            news.set()

        running: set[asyncio.Task[None]] = set()
        stack = contextlib.ExitStack()
        stack.enter_context(_endpoint.quick_imports())
        try:
            for _ in range(self._concurrency):
                task = loop.create_task(slot())
                running.add(task)
                task.add_done_callback(ended)
            while running or done:
                while done:
                    yield done.popleft()
                if raised:
                    raise raised[0]
                if running:
                    loop.run_until_complete(news.wait())
                    news.clear()
            if raised:
                raise raised[0]
        finally:
            try:
                loop.run_until_complete(_end(set(running)))
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                loop.close()
                stack.close()

    async def _answer(self, client: httpx.AsyncClient, request: Request) -> Outcome:
        if request.image is None:
            prepared: Prepared | GenerationError = self._bodies.prepare(request)
        else:
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._pool, self._bodies.prepare, request)
        if isinstance(prepared, GenerationError):
            return prepared
        outcome = await self._send(client, prepared)
        if isinstance(outcome, GenerationError) and outcome.kind in _SYSTEMIC:
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= _BREAKER:
                raise EngineError(
                    f"{self._lost_in_a_row} requests in a row failed: {outcome.detail}"
                )
        else:
            self._lost_in_a_row = 0
        return outcome

    async def _send(self, client: httpx.AsyncClient, prepared: Prepared) -> Outcome:
        attempt = 0
        while True:
            attempt += 1
            await self._pacer.wait()
            started = time.monotonic()
            reply = await self._endpoint.post(client, prepared.body)
            if isinstance(reply, Answer):
                return self._generation(reply, prepared, time.monotonic() - started)
            if not reply.retryable:
                return GenerationError(reply.kind, reply.detail)
            if attempt >= self._tries:
                return GenerationError(
                    reply.kind, f"{reply.detail} (gave up after {attempt} tries)", retryable=True
                )
            if reply.retry_after is not None:
                self._pacer.pause(reply.retry_after)
            else:
                await asyncio.sleep(backoff_seconds(attempt, self._backoff, self._rng))

    def _generation(self, answer: Answer, prepared: Prepared, seconds: float) -> Generation:
        self._check_not_shrunk(answer, prepared)
        usage = answer.usage or {}
        return Generation(
            text=answer.text,
            truncated=answer.finish_reason == "length",
            token_count=usage.get("completion_tokens"),
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            served_model=answer.model,
            seconds=round(seconds, 4),
            image_size=prepared.image_size,
            input_size=prepared.input_size,
        )

    def _check_not_shrunk(self, answer: Answer, prepared: Prepared) -> None:
        """Warn once if the prompt has fewer tokens than the image alone must have had."""
        tokens = (answer.usage or {}).get("prompt_tokens")
        if self._warned or not tokens or self._resizing is None or prepared.input_size is None:
            return
        width, height = prepared.input_size
        needed = width * height // self._resizing.factor**2
        if tokens < needed:
            self._warned = True
            warnings.warn(
                f"{self._endpoint.shown_url} counted {tokens} prompt tokens, but an image of "
                f"{tuple(prepared.input_size)} pixels alone has {needed}: the server resizes "
                "images again, so boxes in its pixels are misread. Give the server's limit as "
                "max_pixels, or raise the server's",
                stacklevel=2,
            )


def _resizing(
    family: ModelFamily | None, model: str, min_pixels: int | None, max_pixels: int | None
) -> Resizing | None:
    limits = {"min_pixels": min_pixels, "max_pixels": max_pixels}
    resizing = None if family is None else family.resizing(**limits)
    if resizing is None and any(value is not None for value in limits.values()):
        raise OptionError(
            f"min_pixels and max_pixels need a family that resizes by them, but {model!r} is of "
            f"{family.name if family else 'no known family'}; give the family"
        )
    return resizing


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def from_config(config: EngineConfig) -> OpenAIEngine:
    """Build the engine from the common options."""
    return OpenAIEngine(
        config.model,
        base_url=config.base_url,
        sampling=config.sampling,
        api_key=config.api_key,
        family=config.family,
        min_pixels=config.min_pixels,
        max_pixels=config.max_pixels,
        concurrency=config.concurrency,
        requests_per_minute=config.requests_per_minute,
        timeout=config.timeout,
        tries=config.tries,
        extra_body=config.options.get("extra_body"),
    )
