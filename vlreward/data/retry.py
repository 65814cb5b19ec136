"""Asking a server again until it answers, or for as long as one is patient."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from vlreward._http import RETRYABLE_STATUS, backoff_seconds, parse_retry_after
from vlreward.data.errors import FetchError

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["RetryPolicy", "TryAgain", "accept", "certificates", "persist"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to keep trying."""

    tries: int = 5
    """Tries in a row that bring no byte more, after which a download is given up."""
    backoff: float = 1.0
    """Seconds before the second try; doubled with each, at most `longest`, half of it random."""
    longest: float = 60.0
    """Longest wait in seconds, also for a server's Retry-After."""
    sleep: Callable[[float], object] = time.sleep
    """Waits."""


class TryAgain(Exception):
    """A request failed in a way that another one may mend; `wait` is how long the server asks."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@cache
def certificates() -> ssl.SSLContext:
    """Those that httpx trusts, read once: that takes 30 ms, and each client would do it."""
    import httpx

    return httpx.create_ssl_context()


def accept(response: httpx.Response, url: str, statuses: tuple[int, ...] = (200,)) -> None:
    """Go on if the answer has one of these statuses, and was sent encrypted if that was asked for.

    Raises:
        TryAgain: If another request may succeed.
        FetchError: If none will.
    """
    status = response.status_code
    if status in RETRYABLE_STATUS:
        raise TryAgain(f"HTTP {status}", parse_retry_after(response.headers.get("Retry-After")))
    if url.startswith("https:") and response.url.scheme != "https":
        raise FetchError(f"{url}: redirected to {response.url}, which is not encrypted")
    if status not in statuses:
        raise FetchError(f"{url}: HTTP {status} {response.reason_phrase}")


def persist(
    attempt: Callable[[], T], url: str, retry: RetryPolicy, there: Callable[[], int] = lambda: 0
) -> T:
    """What `attempt` returns in the end.

    Args:
        attempt: Sends a request; `TryAgain` and what httpx raises when a connection fails lead to
            the next one.
        there: Number of bytes that have arrived; each one more gives patience anew.

    Raises:
        FetchError: If the server refuses or keeps failing.
    """
    import httpx

    failures, furthest = 0, there()
    while True:
        try:
            return attempt()
        except TryAgain as error:
            reason, wait = str(error), error.wait
        except httpx.TransportError as error:
            reason, wait = f"{type(error).__name__}: {error}", None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchError(f"{url}: {type(error).__name__}: {error}") from error
        failures = 1 if there() > furthest else failures + 1
        furthest = max(furthest, there())
        if failures >= retry.tries:
            raise FetchError(
                f"{url}: gave up after {failures} tries without another byte, with {furthest} "
                f"bytes there: {reason}. Run it again later to go on from there"
            )
        if wait is None:
            wait = backoff_seconds(failures, retry.backoff, longest=retry.longest)
        retry.sleep(min(wait, retry.longest))
