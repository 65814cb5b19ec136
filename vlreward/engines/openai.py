"""The engine `openai`: any endpoint that speaks the OpenAI chat completions protocol.

vLLM, SGLang, FastDeploy and `transformers serve` do. An image is sent as its file is, where the
server's own processor comes to the size that the frame is computed with; else resized here to that
size, see `_pictures`. Several draws of one request are asked for together where vLLM serves.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from vlreward._http import backoff_seconds
from vlreward.engines import _endpoint
from vlreward.engines._bodies import Bodies
from vlreward.engines._draws import Draws
from vlreward.engines._pictures import Picture, Pictures
from vlreward.engines._replies import Answer
from vlreward.engines._retry import Pacer
from vlreward.engines.base import (
    Engine,
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    resolve_family,
)
from vlreward.errors import OptionError
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    import httpx

    from vlreward.frames import ModelFamily

__all__ = ["OpenAIEngine"]

_BREAKER = 10
"""So many requests in a row that failed in one way, and the run stops."""


class OpenAIEngine(Engine):
    """Generates through an HTTP endpoint, many requests at a time.

    Images are resized as the server's processor would: `min_pixels` and `max_pixels` are those
    that the server is configured with.

    Args:
        config: The options; without a model, the only one that the endpoint serves.
        backoff: Seconds to wait after the first failure; doubled each time, with jitter.

    Raises:
        EngineError: If the endpoint does not answer, refuses the key, or does not serve the model.
        OptionError: If an option cannot be used.
    """

    name = "openai"
    takes = frozenset(
        {
            "always_resize",
            "api_key",
            "base_url",
            "concurrency",
            "max_pixels",
            "min_pixels",
            "options",
            "requests_per_minute",
            "timeout",
            "tries",
        }
    )

    def __init__(self, config: EngineConfig, *, backoff: float = 0.5) -> None:
        super().__init__(config)
        key = os.environ.get("OPENAI_API_KEY") if config.api_key is None else config.api_key
        self._endpoint = _endpoint.Endpoint(config.base_url, key, config.timeout)
        limits = (config.min_pixels, config.max_pixels)
        if config.model is not None:  # wrong limits are told before a server is asked
            self.resizing = _resizing(self.family, config.model, *limits)
        self._concurrency, self._tries, self._backoff = config.concurrency, config.tries, backoff
        self._pacer = Pacer(config.requests_per_minute)
        self._rng = random.Random()
        self._lost: list[str] = []
        self._warned = False
        served = self._endpoint.models(config.tries, backoff)
        self.served_models = list(served)
        """Names that the endpoint listed when the engine was built; empty if it lists none."""
        self.model = _endpoint.choose_model(
            config.model, self.served_models, self._endpoint.shown_url
        )
        self.family = resolve_family(config.family, self.model)
        self.resizing = _resizing(self.family, self.model, *limits)
        self._bodies = Bodies(self.model, self.sampling, self.options)
        # Others take `n` too, but seed each answer alike, or leave the request to fail.
        self._draws = Draws(served.get(self.model) == "vllm" and "n" not in self.options)
        workers = min(8, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="vlreward-images")
        self._pictures = Pictures(
            self._pool,
            self.resizing,
            always=config.always_resize,
            compress=not self._endpoint.near,
        )

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the address, the key or the concurrency."""
        return {**self.shown(), **({"extra_body": self.options} if self.options else {})}

    def close(self) -> None:
        """Stop the threads that prepare images."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) as answers arrive.

        Requests are drawn from the iterable one by one, when one of the `concurrency` slots is
        free: neither images nor answers pile up.

        Raises:
            EngineError: If 10 requests in a row failed in the same way.
        """
        groups = self._draws.groups(requests)
        done: deque[tuple[str, Outcome]] = deque()
        raised: list[BaseException] = []
        loop = asyncio.new_event_loop()
        news = asyncio.Event()

        async def slot() -> None:
            # One client per slot: a shared pool searches all its connections for each request.
            async with self._endpoint.client() as client:
                for group in groups:
                    done.extend(await self._answer(client, group))
                    news.set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                raised.append(error)
            news.set()

        running: set[asyncio.Task[None]] = set()
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

    async def _answer(
        self, client: httpx.AsyncClient, group: list[Request]
    ) -> list[tuple[str, Outcome]]:
        pictures: list[Picture] = []
        for source in group[0].shown:
            found = await self._pictures.get(group[0], source)
            if isinstance(found, GenerationError):
                return [(request.key, found) for request in group]
            pictures.append(found)
        outcomes: list[tuple[str, Outcome]] = []
        while rest := group[len(outcomes) :]:
            asked = self._draws.number(rest)
            reply = await self._send(client, rest[0], pictures, asked)
            if isinstance(reply, list):
                self._draws.learn(asked, len(reply))
                self._lost.clear()
                outcomes += [(request.key, found) for request, found in zip(rest, reply)]
            elif reply.retryable or not self._draws.learn(asked, 0):
                outcomes += [(request.key, reply) for request in rest[:asked]]
                self._count_lost(reply)
        return outcomes

    def _count_lost(self, error: GenerationError) -> None:
        if error.kind not in self._lost[-1:]:
            self._lost.clear()
        self._lost.append(error.kind)
        if len(self._lost) >= _BREAKER:
            raise EngineError(
                f"{len(self._lost)} requests in a row failed in one way: {error.detail}"
            )

    async def _send(
        self, client: httpx.AsyncClient, request: Request, pictures: list[Picture], n: int
    ) -> list[Generation] | GenerationError:
        body = self._bodies.build(request, pictures, n)
        attempt = 0
        while True:
            attempt += 1
            await self._pacer.wait()
            started = time.monotonic()
            reply = await self._endpoint.post(client, body)
            if isinstance(reply, list):
                seconds = time.monotonic() - started
                picture = pictures[request.place] if pictures else None
                return [
                    self._generation(answer, picture, seconds, alone=n == 1) for answer in reply[:n]
                ]
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

    def _generation(
        self, answer: Answer, picture: Picture | None, seconds: float, *, alone: bool
    ) -> Generation:
        if picture is not None:
            self._check_not_shrunk(answer, picture)
        usage = answer.usage or {}
        return Generation(
            text=answer.text,
            truncated=answer.finish_reason == "length",
            # An endpoint counts the tokens of a reply, not of each answer in it.
            token_count=usage.get("completion_tokens") if alone else None,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            served_model=answer.model,
            seconds=round(seconds, 4),
            image_size=None if picture is None else picture.image_size,
            input_size=None if picture is None else picture.input_size,
        )

    def _check_not_shrunk(self, answer: Answer, picture: Picture) -> None:
        """Warn once if the prompt has fewer tokens than the image alone must have had."""
        tokens = (answer.usage or {}).get("prompt_tokens")
        if self._warned or not tokens or self.resizing is None or picture.input_size is None:
            return
        width, height = picture.input_size
        needed = width * height // self.resizing.factor**2
        if tokens < needed:
            self._warned = True
            warnings.warn(
                f"{self._endpoint.shown_url} counted {tokens} prompt tokens, but an image of "
                f"{tuple(picture.input_size)} pixels alone has {needed}: the server resizes "
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
