"""The engine `openai`: any endpoint that speaks the OpenAI chat completions protocol.

vLLM, SGLang, FastDeploy and `transformers serve` do. An image is sent as its file is, where the
server's own processor comes to the size that the frame is computed with; else resized here to that
size, see `_pictures`. Several draws of one request are asked for together where vLLM serves.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlreward.engines._draws import Draws
from vlreward.engines._endpoint import Endpoint, choose_model
from vlreward.engines._loop import own_loop
from vlreward.engines._pictures import Picture, Pictures
from vlreward.engines._protocol import Bodies
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
    takes = frozenset((
        "always_resize", "api_key", "base_url", "concurrency", "max_pixels", "min_pixels",
        "options", "requests_per_minute", "timeout", "tries",
    ))  # fmt: skip

    def __init__(self, config: EngineConfig, *, backoff: float = 0.5) -> None:
        super().__init__(config)
        key = os.environ.get("OPENAI_API_KEY") if config.api_key is None else config.api_key
        self._endpoint = Endpoint(
            config.base_url, key, config.timeout, config.tries, config.requests_per_minute, backoff
        )
        limits = (config.min_pixels, config.max_pixels)
        if config.model is not None:  # wrong limits are told before a server is asked
            self.resizing = _resizing(self.family, config.model, *limits)
        self._concurrency = config.concurrency
        self._lost: list[str] = []
        self._warned = False
        served = self._endpoint.models()
        self.served_models = list(served)
        """Names that the endpoint listed when the engine was built; empty if it lists none."""
        self.model = choose_model(config.model, self.served_models, self._endpoint.shown_url)
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
        outcomes: asyncio.Queue[tuple[str, Outcome] | None] = asyncio.Queue()

        async def slot() -> None:
            # One client per slot: a shared pool searches all its connections for each request.
            async with self._endpoint.client() as client:
                for group in groups:
                    for outcome in await self._answer(client, group):
                        outcomes.put_nowait(outcome)

        async def slots() -> None:
            try:
                await asyncio.gather(*(slot() for _ in range(self._concurrency)))
            finally:
                outcomes.put_nowait(None)

        with own_loop() as loop:
            work = loop.create_task(slots())
            while True:
                waiting = outcomes.empty()
                outcome = (
                    loop.run_until_complete(outcomes.get()) if waiting else outcomes.get_nowait()
                )
                if outcome is None:
                    break
                yield outcome
            loop.run_until_complete(work)  # raises what a slot did

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
            body = self._bodies.build(rest[0], pictures, asked)
            reply = await self._endpoint.ask(client, body)
            if isinstance(reply, list):
                self._draws.learn(asked, len(reply))
                self._lost.clear()
                answers = zip(rest[:asked], reply)
                outcomes += [(q.key, self._seen(answer, q, pictures)) for q, answer in answers]
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

    def _seen(self, answer: Generation, request: Request, pictures: list[Picture]) -> Generation:
        """An answer with the sizes of the image that it is about."""
        if not pictures:
            return answer
        picture = pictures[request.place]
        self._check_not_shrunk(answer, picture)
        return replace(answer, image_size=picture.image_size, input_size=picture.input_size)

    def _check_not_shrunk(self, answer: Generation, picture: Picture) -> None:
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
