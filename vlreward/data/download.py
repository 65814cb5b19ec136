"""One file over HTTP: resumed, checked, complete or not there."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward._http import backoff_seconds
from vlreward.data.errors import FetchError
from vlreward.data.transfer import Downloaded, Progress, Transfer, TryAgain

if TYPE_CHECKING:
    import httpx

__all__ = ["Downloaded", "FetchError", "RetryPolicy", "discard", "download"]


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


def download(
    client: httpx.Client,
    url: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    max_bytes: int = 1 << 40,
    retry: RetryPolicy = RetryPolicy(),
    progress: Progress = lambda done, total: None,
) -> Downloaded:
    """Download a file.

    What has arrived is kept in `target` + `.part`, also over runs, and the rest is asked for by
    Range with If-Range, so a file that changed on the server is started again. The length must be
    the one announced, and the digest the one given or, for a large file of the Hugging Face hub,
    the one that the hub announces. Only then does `target` appear, with a note `target` +
    `.done.json`, by which a later call knows that there is nothing left to do.

    Raises:
        FetchError: If the server refuses, keeps failing, or sends something else; names the
            address and the number of tries.
    """
    import httpx

    if (before := _done_before(url, target)) is not None:
        return before
    transfer = Transfer(client, url, target, size, sha256, max_bytes, progress)
    failures, furthest = 0, transfer.there()
    while True:
        try:
            transfer.run()
            done = transfer.finish()
            if done is not None:
                _done_note(target).write_text(json.dumps(asdict(done)))
                return done
            continue
        except TryAgain as error:
            reason, wait = str(error), error.wait
        except httpx.TransportError as error:
            reason, wait = f"{type(error).__name__}: {error}", None
        except httpx.HTTPError as error:
            raise FetchError(f"{url}: {type(error).__name__}: {error}") from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise FetchError(
                    f"no space left after {transfer.there()} bytes", path=target
                ) from error
            raise
        there = transfer.there()
        failures = 1 if there > furthest else failures + 1
        furthest = max(furthest, there)
        if failures >= retry.tries:
            raise FetchError(
                f"{url}: gave up after {failures} tries without another byte, with {there} bytes "
                f"there: {reason}. Run it again later to go on from there"
            )
        if wait is None:
            wait = backoff_seconds(failures, retry.backoff, longest=retry.longest)
        retry.sleep(min(wait, retry.longest))


def _done_note(target: Path) -> Path:
    return target.with_name(target.name + ".done.json")


def _done_before(url: str, target: Path) -> Downloaded | None:
    try:
        done = Downloaded(**json.loads(_done_note(target).read_text()))
        return done if done.url == url and target.stat().st_size == done.bytes else None
    except (OSError, ValueError, TypeError):
        return None


def discard(target: Path) -> None:
    """Delete a downloaded file, if it is still there, and the note on it."""
    target.unlink(missing_ok=True)
    _done_note(target).unlink(missing_ok=True)
