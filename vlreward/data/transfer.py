"""The partial file of a download, and the requests that complete it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward._http import RETRYABLE_STATUS, parse_retry_after
from vlreward.data.errors import FetchError
from vlreward.data.headers import announced, changed, content_range, validator_of

if TYPE_CHECKING:
    import httpx

__all__ = ["Downloaded", "Progress", "Transfer", "TryAgain"]

Progress = Callable[[int, "int | None"], object]
"""Called with the number of bytes there are, and how many there will be."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was downloaded."""

    url: str
    """Address that was asked for."""
    bytes: int
    """Length of the file."""
    sha256: str
    """Hex digest of the file on disk."""
    checked: bool
    """Whether a digest was known beforehand and is this one."""


@dataclass(frozen=True, slots=True)
class State:
    """What a partial file is a part of; kept beside it."""

    url: str
    validator: str | None = None
    total: int | None = None
    sha256: str | None = None


class TryAgain(Exception):
    """A request failed in a way that another one may mend; `wait` is the server's Retry-After."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Transfer:
    """The partial file and what is known about the whole."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        target: Path,
        size: int | None,
        sha256: str | None,
        max_bytes: int,
        progress: Progress,
    ) -> None:
        self.client, self.url, self.target = client, url, target
        self.size, self.max_bytes, self.progress = size, max_bytes, progress
        self.part = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")
        self.given_sha256 = sha256
        self.state = State(url, sha256=sha256)
        self.resumed = self.restarted = False
        try:
            before = State(**json.loads(self.note.read_text()))
        except (OSError, ValueError, TypeError):
            before = None
        if before is not None and before.url == url and sha256 in (None, before.sha256):
            self.state = before
        else:
            self.drop()

    def there(self) -> int:
        """Bytes of the partial file."""
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def drop(self) -> None:
        """Start again."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.state = State(self.url, sha256=self.given_sha256)

    def run(self) -> None:
        """One request; raises `TryAgain` if another may help."""
        offset = self.there()
        if offset and self.state.validator is None and self.state.sha256 is None:
            offset = 0  # nothing would tell a changed file
        if offset and offset == self.state.total:
            return
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self.state.validator is not None:
                headers["If-Range"] = self.state.validator
        with self.client.stream("GET", self.url, headers=headers) as response:
            self._answer(response, offset)

    def _answer(self, response: httpx.Response, offset: int) -> None:
        status, headers = response.status_code, response.headers
        if status in RETRYABLE_STATUS:
            raise TryAgain(f"HTTP {status}", parse_retry_after(headers.get("Retry-After")))
        if self.url.startswith("https:") and response.url.scheme != "https":
            raise FetchError(f"{self.url}: redirected to {response.url}, which is not encrypted")
        if status == 416 and offset:
            _, total = content_range(headers)
            if total == offset and self.state.total in (None, total):
                self.state = State(self.url, self.state.validator, total, self.state.sha256)
                return
            self.drop()
            raise TryAgain(f"HTTP 416 for the bytes from {offset}, of {total}")
        if status not in (200, 206):
            raise FetchError(f"{self.url}: HTTP {status} {response.reason_phrase}")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise FetchError(f"{self.url}: sent encoded though the plain file was asked for")
        if status == 206:
            start, total = content_range(headers)
            known = self.state.total
            total = known if total is None else total
            if start != offset or not offset or known not in (None, total):
                self.drop()
                raise TryAgain(
                    f"asked for the bytes from {offset}, got {headers.get('Content-Range')}"
                )
            if changed(headers, self.state.validator):
                self.drop()
                raise TryAgain("the file changed on the server")
        else:
            offset = 0
            length = headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() and len(length) < 19 else None
            if total is None and "chunked" not in headers.get("Transfer-Encoding", ""):
                raise FetchError(f"{self.url}: no length was sent, so a cut would go unnoticed")
        self._begin(response, offset, total)
        self._receive(response, offset)

    def _begin(self, response: httpx.Response, offset: int, total: int | None) -> None:
        hub_sha256, linked_size = announced(response)
        for expected in (self.size, linked_size):
            if expected is not None and total is not None and expected != total:
                raise FetchError(f"{self.url}: expected {expected} bytes, the server has {total}")
        if total is not None and total > self.max_bytes:
            raise FetchError(f"{self.url}: {total} bytes are more than the limit {self.max_bytes}")
        if self.given_sha256 is None and hub_sha256 is not None:
            if offset and self.state.sha256 not in (None, hub_sha256):
                self.drop()
                raise TryAgain("the file changed on the server")
            digest: str | None = hub_sha256
        else:
            digest = self.given_sha256 or (self.state.sha256 if offset else None)
        validator = validator_of(response.headers) or (self.state.validator if offset else None)
        if total is None:
            total = self.size if self.size is not None else linked_size
        self.state = State(self.url, validator, total, digest)
        if not offset:  # before the note, which must never speak of another version's bytes
            self.part.unlink(missing_ok=True)
        self.note.write_text(json.dumps(asdict(self.state)))

    def _receive(self, response: httpx.Response, offset: int) -> None:
        self.resumed |= offset > 0
        done = offset
        with self.part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                if done > self.max_bytes:
                    raise FetchError(f"{self.url}: more than the limit of {self.max_bytes} bytes")
                self.progress(done, self.state.total)
        if self.state.total is not None and done != self.state.total:
            if done > self.state.total:
                self.drop()
            raise TryAgain(f"expected {self.state.total} bytes, got {done}")

    def finish(self) -> Downloaded | None:
        """Check the whole and put it in place; None if it is wrong and was dropped."""
        digest, length = hashlib.sha256(), 0
        with self.part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                length += len(block)
            os.fsync(file.fileno())
        expected = self.state.sha256
        if expected is not None and digest.hexdigest() != expected:
            self.drop()
            if self.resumed and not self.restarted:
                self.restarted = True  # parts of two versions, perhaps; a fresh start decides
                return None
            raise FetchError(
                f"{self.url}: expected the SHA-256 {expected}, got {digest.hexdigest()} over "
                f"{length} bytes"
            )
        if self.size is not None and length != self.size:
            self.drop()
            raise FetchError(f"{self.url}: expected {self.size} bytes, got {length}")
        os.replace(self.part, self.target)
        self.note.unlink(missing_ok=True)
        return Downloaded(self.url, length, digest.hexdigest(), expected is not None)
