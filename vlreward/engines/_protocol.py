"""What is sent to an OpenAI-compatible endpoint, and its replies as typed values.

Whatever a reply holds, nothing raises.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vlreward._http import RETRYABLE_STATUS, parse_retry_after
from vlreward._messages import was_cut, written
from vlreward._text import one_line, short
from vlreward.engines._pictures import Picture
from vlreward.engines._stream import is_stream, joined
from vlreward.engines.values import Generation, GenerationError, Request, Sampling

__all__ = ["Bodies", "model_names", "read", "refused"]

_PLACE = uuid.uuid4().hex
"""Stands for the image while the rest of a body is written: no text of a prompt holds it."""
_GIVEN_UP = ("abort", "error")
"""Reasons with which servers end what is no answer: what there is of it is no completion."""
_NO_KEY = "give the key in the environment variable OPENAI_API_KEY"
_WRONG_KEY = "the key that the environment variable OPENAI_API_KEY gives is not taken"


@dataclass(frozen=True, slots=True)
class Bodies:
    """Builds request bodies."""

    model: str
    sampling: Sampling
    extra: dict[str, Any]

    def build(self, request: Request, pictures: Sequence[Picture], n: int) -> tuple[bytes, ...]:
        """The body of a request as JSON, in parts.

        Args:
            n: How many answers to draw, the first of them with the seed of the request.
        """
        urls = [f"data:{picture.kind};base64,{_PLACE}" for picture in pictures]
        body = {
            "model": self.model,
            "messages": _messages(request.messages, urls),
            **self._sampling(request.key),
            **({"n": n} if n > 1 else {}),
            **self.extra,
        }
        first, *texts = json.dumps(body).encode().split(_PLACE.encode())
        parts = [first]
        for picture, text in zip(pictures, texts, strict=True):
            parts += [picture.base64, text]  # most of it, needs no escapes and is not copied
        return tuple(parts)

    def _sampling(self, key: str) -> dict[str, Any]:
        """The sampling as fields of a body; what is None is left to the server."""
        fields: dict[str, Any] = {
            "max_tokens": self.sampling.max_tokens,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.batch_seed(key),
        }
        return {name: value for name, value in fields.items() if value is not None}


def _messages(messages: list[dict[str, Any]], urls: Sequence[str]) -> list[dict[str, Any]]:
    """Chat messages in the protocol's form: the bare image entries become `image_url`s."""
    left = iter(urls)
    converted = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            content = [
                {"type": "image_url", "image_url": {"url": next(left)}}
                if entry["type"] == "image"
                else entry
                for entry in content
            ]
            if len(content) == 1 and content[0]["type"] == "text":
                content = content[0]["text"]
        converted.append({**message, "content": content})
    return converted


def refused(
    status: int, headers: Mapping[str, str], content: bytes, url: str, *, keyed: bool
) -> GenerationError:
    """Why a reply with another status than 200 holds no completion; `keyed` if a key was sent."""
    detail = f"{url} answered {status}: {_server_message(content)}"
    if status in (401, 403):
        detail += f"; {_WRONG_KEY if keyed else _NO_KEY}"
    elif status == 404:
        detail += "; check --base-url (it ends in /v1) and the model's name"
    return GenerationError(
        f"http_{status}",
        detail,
        status in RETRYABLE_STATUS,
        parse_retry_after(headers.get("retry-after")),
    )


def read(content: bytes, url: str) -> list[Generation] | GenerationError:
    """The completions in a reply with status 200, at least one, or why there is none."""
    try:
        reply = joined(content) if is_stream(content) else json.loads(content)
    except (ValueError, RecursionError):
        shown = one_line(content[:200].decode("utf-8", "replace"))
        return GenerationError(
            "bad_reply", f"{url} answered 200 with text that is no JSON: {shown!r}", True
        )
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices:
        told = one_line(_message_in(reply))
        why = "without any choice" + (f": {told}" if told else "")
        return GenerationError("bad_reply", f"{url} answered 200 {why}", True)
    usage, model = _usage(reply.get("usage")), reply.get("model")
    answers: list[Generation] = []
    for choice in choices:
        text = _text_of(choice)
        if text is None:
            why = f"{url} answered 200 without a text: {short(choice, 300)}"
            return GenerationError("bad_reply", why, True)
        reason = choice.get("finish_reason")
        if reason in _GIVEN_UP:
            shown = one_line(_message_in(choice) or text)
            why = f"an answer that it gave up ({reason}): {shown!r}"
            return GenerationError("bad_reply", f"{url} answered 200 with {why}", True)
        # An endpoint counts the tokens of a reply, not of each answer in it; 0 is "not counted".
        tokens = (usage or {}).get("completion_tokens") if len(choices) == 1 else None
        answers.append(
            Generation(
                text=text,
                truncated=was_cut({"finish_reason": reason}),
                token_count=None if tokens == 0 and text else tokens,
                finish_reason=reason if isinstance(reason, str) else None,
                usage=None if answers else usage,
                served_model=model if isinstance(model, str) else None,
            )
        )
    return answers


def _usage(value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    return {
        key: count
        for key, count in value.items()
        if isinstance(count, int) and not isinstance(count, bool)
    }


def _text_of(choice: Any) -> str | None:
    """What the model wrote, its thinking in its tags: as an engine without a server has it."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not ("content" in message or "role" in message):
        return None
    content = message.get("content")  # left out where null by some
    if not (content is None or isinstance(content, (str, list))):
        return None
    try:
        return written(message)
    except RecursionError:
        return None


def _server_message(content: bytes) -> str:
    text = content[:20_000].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = _message_in(json.loads(text)) or text
    return one_line(text) or "no message"


def _message_in(value: Any) -> str:
    """What a server says of an error; empty if it says nothing."""
    while isinstance(value, dict):
        value = next((value[k] for k in ("error", "message", "detail") if value.get(k)), None)
    return value if isinstance(value, str) else short(value, 300) if value else ""


def model_names(content: bytes) -> dict[str, str]:
    """The ids in a reply to GET /v1/models, each with what serves it; empty if it is no list."""
    try:
        return {str(e["id"]): str(e.get("owned_by")) for e in json.loads(content)["data"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
