"""One OpenAI-compatible endpoint: its address, its clients, and its replies as typed values."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlreward.bench.engines._retry import (
    RETRYABLE_STATUS,
    backoff_seconds,
    parse_retry_after,
)
from vlreward.bench.engines.base import MAX_DETAIL, EngineError

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Endpoint", "Refusal", "choose_model", "quick_imports", "to_openai"]

_NO_KEY = "give the key by --api-key or in the environment variable OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion as the endpoint gave it."""

    text: str
    finish_reason: str | None
    usage: dict[str, int] | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no completion."""

    kind: str
    detail: str
    retryable: bool
    retry_after: float | None = None


class Endpoint:
    """An address that takes chat completions.

    Args:
        base_url: Address up to and including `/v1`.
        api_key: Bearer token, or None for none.
        timeout: Seconds to wait for an answer.

    Raises:
        ValueError: If the address is no http or https URL.
    """

    def __init__(self, base_url: str, api_key: str | None, timeout: float) -> None:
        import httpx

        try:
            url = httpx.URL(base_url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ValueError(f"expected an http address, got {base_url!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"expected an address like http://localhost:8000/v1, got {base_url!r}")
        self._url = str(url)
        self.shown_url = str(url.copy_with(userinfo=b""))
        """The address without any password, for messages."""
        self._key = api_key or None
        headers = {"Content-Type": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        # A proxy configured for the outside world must not be asked for this very machine.
        self._options: dict[str, Any] = {
            "headers": headers,
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 15.0), pool=None),
            "trust_env": not _is_loopback(url.host),
            "verify": httpx.create_ssl_context() if url.scheme == "https" else False,
        }

    def client(self) -> httpx.AsyncClient:
        """A client for one request at a time; close it after use."""
        import httpx

        return httpx.AsyncClient(**self._options)

    async def post(self, client: httpx.AsyncClient, body: bytes) -> Answer | Refusal:
        """Send one chat completion request and read the reply. Never raises on a bad reply."""
        import httpx

        try:
            response = await client.post(f"{self._url}/chat/completions", content=body)
        except httpx.TimeoutException as error:
            what = type(error).__name__
            return Refusal("timeout", f"no answer from {self.shown_url} in time ({what})", True)
        except httpx.TransportError as error:
            return Refusal("connection", self._unreachable(error), True)
        if response.status_code != 200:
            return self._refused(response)
        return _read(response.content, self.shown_url)

    def models(self, tries: int, backoff: float) -> list[str]:
        """Names that the endpoint serves; empty if it does not say.

        Raises:
            EngineError: If there is no endpoint at the address, or it refuses the key.
        """
        import httpx

        rng = random.Random()
        started = time.monotonic()
        options = {**self._options, "timeout": httpx.Timeout(30.0, connect=15.0)}
        with httpx.Client(**options) as client:
            for attempt in range(1, tries + 1):
                try:
                    response = client.get(f"{self._url}/models")
                except httpx.TransportError as error:
                    problem = self._unreachable(error)
                else:
                    if response.status_code in (401, 403):
                        raise EngineError(self._refused(response).detail)
                    if response.status_code not in (502, 503, 504):
                        return _model_names(response)
                    problem = self._refused(response).detail
                if attempt < tries:
                    time.sleep(backoff_seconds(attempt, backoff, rng))
        raise EngineError(
            f"{problem} (gave up after {tries} tries in {time.monotonic() - started:.1f} s). Is "
            "the server running, has it finished loading, and is --base-url right?"
        )

    def _unreachable(self, error: Exception) -> str:
        return _bounded(f"no connection to {self.shown_url}: {type(error).__name__}: {error}")

    def _refused(self, response: httpx.Response) -> Refusal:
        status = response.status_code
        detail = f"{self.shown_url} answered {status}: {_server_message(response.content)}"
        if status in (401, 403):
            detail += f"; {_NO_KEY}"
        elif status == 404:
            detail += "; check --base-url (it ends in /v1) and the model's name"
        return Refusal(
            f"http_{status}",
            detail,
            status in RETRYABLE_STATUS,
            parse_retry_after(response.headers.get("retry-after")),
        )


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Spare each request the searches for a package that is not installed.

    httpcore tries `import sniffio` several times a request. Without sniffio each try searches all
    of `sys.path`, which takes a quarter of the time of a request.
    """
    if "sniffio" in sys.modules or importlib.util.find_spec("sniffio") is not None:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules["sniffio"] = None  # Python's own mark for "not there, do not search".
    try:
        yield
    finally:
        if modules.get("sniffio", "") is None:
            del modules["sniffio"]


def to_openai(messages: list[dict[str, Any]], image_url: str | None) -> list[dict[str, Any]]:
    """Chat messages in the protocol's form: the bare image entry becomes an `image_url`."""
    converted = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            content = [
                {"type": "image_url", "image_url": {"url": image_url}}
                if entry["type"] == "image"
                else entry
                for entry in content
            ]
            if len(content) == 1 and content[0]["type"] == "text":
                content = content[0]["text"]
        converted.append({**message, "content": content})
    return converted


def choose_model(model: str | None, served: list[str], url: str) -> str:
    """The model to ask for: as named, or the only one that is served.

    A name that the endpoint does not list is taken at its word if the endpoint lists none; some
    list less than they serve, so a name that is not listed is left to the endpoint to refuse.

    Raises:
        EngineError: If no model is named and there is not exactly one to choose.
    """
    if model is not None:
        return model
    if len(served) == 1:
        return served[0]
    listed = ", ".join(served[:10]) or "none"
    raise EngineError(f"{url} lists {len(served)} models ({listed}): name one by --model")


def _model_names(response: httpx.Response) -> list[str]:
    try:
        data = response.json()["data"]
        return [str(entry["id"]) for entry in data]
    except (ValueError, KeyError, TypeError):
        return []


def _read(content: bytes, url: str) -> Answer | Refusal:
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):
        shown = _bounded(content[:200].decode("utf-8", "replace"))
        return Refusal(
            "bad_reply", f"{url} answered 200 with text that is no JSON: {shown!r}", True
        )
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices:
        return Refusal("bad_reply", f"{url} answered 200 without any choice", True)
    text = _text_of(choices[0])
    if text is None:
        shown = _bounded(json.dumps(choices[0]))
        return Refusal("bad_reply", f"{url} answered 200 without a text: {shown}", True)
    reason = choices[0].get("finish_reason")
    usage = reply.get("usage")
    model = reply.get("model")
    return Answer(
        text=text,
        finish_reason=reason if isinstance(reason, str) else None,
        usage={
            key: value
            for key, value in usage.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
        if isinstance(usage, dict)
        else None,
        model=model if isinstance(model, str) else None,
    )


def _text_of(choice: Any) -> str | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or "content" not in message:
        return None
    content = message["content"]
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    if content is None:
        return ""
    return content if isinstance(content, str) else None


def _server_message(content: bytes) -> str:
    text = content[:20_000].decode("utf-8", "replace")
    try:
        value = json.loads(text)
        while isinstance(value, dict):
            value = next(value[key] for key in ("error", "message", "detail") if key in value)
        text = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, StopIteration, RecursionError):
        pass
    return _bounded(text) or "no message"


def _bounded(text: str) -> str:
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= MAX_DETAIL else clean[: MAX_DETAIL - 1] + "…"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
