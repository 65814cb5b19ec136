"""Several draws of one request, where the server draws them together, and where it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from vlreward.engines.base import EngineConfig, Generation, Request
from vlreward.engines.openai import OpenAIEngine


def requests(questions: int = 3, draws: int = 4) -> Iterator[Request]:
    for q in range(questions):
        for n in range(draws):
            messages = [{"role": "user", "content": f"How many {q}?"}]
            yield Request(f"{q} {n}", messages, group=f"{q}")


def engine_for(stub: Any, **options: Any) -> OpenAIEngine:
    config = {"base_url": stub.url, "temperature": 1.0, "seed": 5, "concurrency": 2, "tries": 1}
    return OpenAIEngine(EngineConfig("m", **{**config, **options}), backoff=0.01)


def answered(engine: OpenAIEngine, **shape: int) -> dict[str, str]:
    found = dict(engine.generate(requests(**shape)))
    engine.close()
    return {key: o.text if isinstance(o, Generation) else o.kind for key, o in found.items()}


def replies(most: int) -> Any:
    """A server that draws at most so many answers, numbered by their seeds."""

    def reply(number: int, body: dict[str, Any]) -> Any:
        texts = [f"{body['messages'][0]['content']} {body['seed'] + i}" for i in range(most)]
        choices = [
            {"message": {"content": text}, "finish_reason": "stop"}
            for text in texts[: body.get("n", 1)]
        ]
        usage = {"completion_tokens": 7 * len(choices)}
        return 200, {}, json.dumps({"choices": choices, "usage": usage}).encode()

    return reply


def vllm(stub: Any) -> None:
    stub.models = (200, json.dumps({"data": [{"id": "m", "owned_by": "vllm"}]}).encode())


@pytest.mark.parametrize(("draws", "calls"), [(4, [4, 4, 4]), (40, [8, 8, 8, 32, 32, 32])])
def test_vllm_is_asked_once_for_all_draws(stub: Any, draws: int, calls: list[int]) -> None:
    vllm(stub)
    stub.reply = replies(99)
    found = dict(engine_for(stub).generate(requests(draws=draws)))
    assert sorted(body["n"] for body in stub.requests) == calls
    generations = [g for g in found.values() if isinstance(g, Generation)]
    assert len(generations) == 3 * draws
    assert len({g.text for g in generations}) == 3 * draws
    assert all(found[key].text.startswith(f"How many {key[0]}?") for key in found)  # type: ignore[union-attr]
    # Tokens are counted for a reply: of each answer nothing is known, and nothing is made up.
    assert all(g.token_count is None for g in generations)
    assert sum(1 for g in generations if g.usage) == len(calls)


def test_others_are_asked_for_each_draw_with_a_seed_of_its_own(stub: Any) -> None:
    """Every request had the seed of the run: each draw of a question was the same answer."""
    stub.reply = replies(1)
    assert len(set(answered(engine_for(stub)).values())) == 12
    assert not any("n" in body for body in stub.requests)
    assert len({body["seed"] for body in stub.requests}) == 12
    seeds = {body["seed"] for body in stub.requests}
    answered(engine_for(stub))
    assert {body["seed"] for body in stub.requests} == seeds
    answered(engine_for(stub, seed=6))
    assert len({body["seed"] for body in stub.requests}) == 24


@pytest.mark.parametrize("refuses", [False, True])
def test_a_server_that_does_not_after_all_is_asked_one_by_one(stub: Any, refuses: bool) -> None:
    vllm(stub)
    one = replies(1)
    stub.reply = lambda n, body: (400, {}, b"n") if refuses and "n" in body else one(n, body)
    found = answered(engine_for(stub, concurrency=1))
    assert len(found) == 12
    assert len(set(found.values())) == 12
    assert sum("n" in body for body in stub.requests) == 1
    assert len(stub.requests) == (13 if refuses else 12)


def test_a_failure_is_that_of_every_draw_and_a_given_n_is_left_alone(stub: Any) -> None:
    vllm(stub)
    stub.reply = lambda n, body: (503, {}, b"busy")
    assert answered(engine_for(stub)) == {
        f"{q} {n}": "http_503" for q in range(3) for n in range(4)
    }
    assert len(stub.requests) == 3
    stub.requests.clear()
    stub.reply = replies(1)
    answered(engine_for(stub, options={"n": 1}))
    assert [body["n"] for body in stub.requests] == [1] * 12
