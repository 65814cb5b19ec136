"""Replies as servers word them, whole and as a stream, through the HTTP engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from vlreward.engines.base import EngineConfig, Generation, GenerationError, Outcome, Request
from vlreward.engines.openai import OpenAIEngine

ANSWER = "<answer>3</answer>"
THOUGHT = f"<think>one two</think>{ANSWER}"
PARTS = [{"type": "text", "text": ANSWER}]

# Message, reason for its end, and what the model wrote and whether it was cut.
REPLIES: dict[str, tuple[dict[str, Any], Any, str, bool]] = {
    "vLLM until 0.11 and SGLang, --reasoning-parser": (
        {"content": ANSWER, "reasoning_content": "one two"}, "stop", THOUGHT, False,
    ),
    "vLLM since, OpenRouter": ({"content": ANSWER, "reasoning": "one two"}, "stop", THOUGHT, False),
    "cut while it thinks": (
        {"content": None, "reasoning_content": "one"}, "length", "<think>one", True,
    ),
    "ends as it thinks": ({"content": None, "reasoning": "one"}, "stop", "<think>one", False),
    "thinking in both places": (
        {"content": THOUGHT, "reasoning_content": "one two"}, "stop", THOUGHT, False,
    ),
    "no thinking": ({"content": ANSWER, "reasoning_content": None}, "stop", ANSWER, False),
    "parts": ({"content": PARTS}, "stop", ANSWER, False),
    "parts as texts": ({"content": ["<answer>3", "</answer>"]}, "stop", ANSWER, False),
    "Mistral's thinking": (
        {"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "one two"}]}, *PARTS,
        ]}, "stop", THOUGHT, False,
    ),
    "Anthropic's behind a gateway": ({"content": ANSWER}, "max_tokens", ANSWER, True),
    "Google's behind a gateway": ({"content": ANSWER}, "MAX_TOKENS", ANSWER, True),
    "Mistral's": ({"content": ANSWER}, "model_length", ANSWER, True),
    "SGLang's own": ({"content": ANSWER}, {"type": "length", "length": 20}, ANSWER, True),
    "Text Generation Inference": ({"content": ANSWER}, "eos_token", ANSWER, False),
    "no reason": ({"content": ANSWER}, None, ANSWER, False),
    "null": ({"content": None}, "stop", "", False),
    "nulls are left out": ({}, "length", "", True),
    "a tool is called": ({"tool_calls": [{"id": "1", "type": "x"}]}, "tool_calls", "", False),
    "a refusal": ({"content": None, "refusal": "no"}, "stop", "", False),
}  # fmt: skip


def whole(message: dict[str, Any], reason: Any, **more: Any) -> tuple[int, dict[str, str], bytes]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return 200, {}, json.dumps({"model": "m", "choices": [{**choice, **more}]}).encode()


def events(*values: Any) -> tuple[int, dict[str, str], bytes]:
    lines = [v if isinstance(v, str) else f"data: {json.dumps(v)}" for v in values]
    return 200, {"Content-Type": "text/event-stream"}, "\n\n".join([*lines, ""]).encode()


def piece(delta: dict[str, Any], reason: Any = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def streamed(message: dict[str, Any], reason: Any) -> tuple[int, dict[str, str], bytes]:
    """In pieces of two characters, as litellm 1.108 and vLLM send them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name, value in message.items():
        step = 2 if isinstance(value, str) else 1
        pieces = (
            [value] if value is None else [value[i : i + step] for i in range(0, len(value), step)]
        )
        deltas += [{name: part} for part in pieces]
    usage = {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 9}}
    return events(": a comment", *map(piece, deltas), piece({}, reason), usage, "data: [DONE]")


def asked(stub: Any, reply: Any, **options: Any) -> Outcome:
    stub.reply = lambda n, body: reply
    config = EngineConfig("m", base_url=stub.url, tries=2, **options)
    engine = OpenAIEngine(config, backoff=0.001)
    (found,) = dict(engine.generate([Request("k", [{"role": "user", "content": "?"}])])).values()
    engine.close()
    return found


@pytest.mark.parametrize("send", [whole, streamed])
@pytest.mark.parametrize("name", REPLIES)
def test_what_the_model_wrote_is_read_however_it_is_worded(
    stub: Any, name: str, send: Callable[..., Any]
) -> None:
    """Thinking was lost, cut answers were whole ones, and a message without content a fault."""
    message, reason, text, cut = REPLIES[name]
    found = asked(stub, send(message, reason), options={"stream": send is streamed})
    assert isinstance(found, Generation), found
    assert (found.text, found.truncated) == (text, cut)
    assert found.token_count == (9 if send is streamed else None)


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        ((200, {}, b'{"error": {"message": "overloaded", "code": 502}}'), "choice: overloaded"),
        ((200, {}, b'{"object": "error", "message": "at capacity"}'), "choice: at capacity"),
        (whole({"content": "<answer>9"}, "abort"), "gave up (abort): '<answer>9'"),
        (whole({"content": ""}, "error", error={"message": "died"}), "gave up (error): 'died'"),
        (events(piece({"content": "a"}), {"error": {"message": "died"}}), "choice: died"),
        (events(piece({"content": "<answer>3"})), "ended before its answer did"),
        # transformers serve 5.24 puts the message of an error between quotes as it is.
        (
            events(piece({"content": "a"}), 'data: {"error": "no "x""}'),
            """no JSON: {"error": "no "x""",
        ),
        (events("data: 3"), "without any choice"),
        (events({"choices": [3, {"delta": 3}, {"index": [], "delta": {}}]}), "ended before"),
        (events("data: " + "[" * 90_000), "no JSON"),
        (whole({"content": [{"content": json.loads("[" * 400 + "]" * 400)}]}, "error"), "gave up"),
    ],
)
def test_an_answer_that_a_server_gave_up_is_none(stub: Any, reply: Any, detail: str) -> None:
    """It was scored as an empty one, or its reason was not told."""
    found = asked(stub, reply)
    assert isinstance(found, GenerationError), found
    assert found.kind == "bad_reply"
    assert detail in found.detail
    assert len(stub.requests) == 2, "it is asked for again"


def test_no_tokens_of_some_text_were_not_counted(stub: Any) -> None:
    """litellm 1.108 gives 0 where the server behind it gives no usage; it lowered the mean."""
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    found = asked(stub, stub.answer("four words are here", usage=usage))
    assert isinstance(found, Generation)
    assert found.token_count is None
    found = asked(stub, stub.answer("", usage=usage))
    assert isinstance(found, Generation)
    assert found.token_count == 0


def test_several_answers_in_one_stream_stand_in_their_order(stub: Any) -> None:
    stub.models = (200, b'{"data": [{"id": "m", "owned_by": "vllm"}]}')
    pieces = [piece({"content": f"{i}{part}"}, None, i) for part in "ab" for i in (1, 0)]
    stub.reply = lambda n, body: events(*pieces, piece({}, "stop", 1), piece({}, "length", 0))
    engine = OpenAIEngine(
        EngineConfig("m", base_url=stub.url, temperature=1.0, options={"stream": True})
    )
    requests = [Request(k, [{"role": "user", "content": "?"}], group="g") for k in ("x", "y")]
    found = dict(engine.generate(requests))
    engine.close()
    assert len(stub.requests) == 1
    texts = {k: (g.text, g.truncated) for k, g in found.items() if isinstance(g, Generation)}
    assert texts == {"x": ("0a0b", True), "y": ("1a1b", False)}
