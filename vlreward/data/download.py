"""One file over HTTP: resumed, checked, complete or not done."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward.data.errors import FetchError
from vlreward.data.receipt import Fetched
from vlreward.data.retry import RetryPolicy, TryAgain, accept, persist

if TYPE_CHECKING:
    import httpx

__all__ = ["Download", "Progress"]

Progress = Callable[[int, "int | None"], object]
"""Called with the number of bytes there are, and how many there will be."""

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)\Z", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}\Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass
class Download:
    """One file that is downloaded to `part`, where it is complete once the entry says so.

    What has arrived is kept, also over runs, and the rest is asked for by Range with If-Range, so
    a file that changed on the server is started again. The length must be the one announced, and
    the digest the one given or, for a large file of the Hugging Face hub, the one that the hub
    announces.
    """

    client: httpx.Client
    entry: Fetched
    """What is known; nothing is asked if it is complete."""
    part: Path
    remember: Callable[..., Fetched]
    """`Receipt.write`, called at each step, for the next run."""
    retry: RetryPolicy
    size: int | None = None
    """Bytes that it must have, if known."""
    sha256: str | None = None
    """Hex digest that it must have, if known."""
    max_bytes: int = 1 << 40
    """What a server may send at most."""
    progress: Progress = lambda done, total: None
    resumed: bool = field(default=False, init=False)
    restarted: bool = field(default=False, init=False)

    def run(self) -> Fetched:
        """Download it.

        Returns:
            The entry, `staged`, or as it was if it was complete.

        Raises:
            FetchError: If the server refuses, keeps failing, or sends something else; names the
                address and the number of tries.
        """
        entry = self.entry
        if entry.state != "downloading" and self._length() == entry.bytes > 0:
            return entry
        given = self.sha256 in (None, entry.sha256)
        if entry.state != "downloading" or not given or not self.resumable:
            self.drop()
        return persist(self.attempt, entry.url, self.retry, self._length)

    def wrong(self, what: str) -> FetchError:
        return FetchError(f"{self.entry.url}: {what}")

    def _length(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def resumable(self) -> bool:
        """Whether something would tell a changed file."""
        return self.entry.validator is not None or self.entry.sha256 is not None

    def drop(self) -> None:
        """Start again."""
        self.part.unlink(missing_ok=True)
        installing = self.entry.installing
        self.entry = Fetched(
            to=self.entry.to, url=self.entry.url, installing=installing, sha256=self.sha256
        )

    def attempt(self) -> Fetched:
        """One request, and the file if that completes it; `TryAgain` if another may."""
        offset = self._length() if self.resumable else 0
        if not offset or offset != self.entry.total:
            headers = {"Accept-Encoding": "identity"}
            if offset:
                headers["Range"] = f"bytes={offset}-"
                if self.entry.validator is not None:
                    headers["If-Range"] = self.entry.validator
            with self.client.stream("GET", self.entry.url, headers=headers) as response:
                self._answer(response, offset)
        return self._finish()

    def _answer(self, response: httpx.Response, offset: int) -> None:
        headers, known = response.headers, self.entry.total
        accept(response, self.entry.url, (200, 206, 416) if offset else (200, 206))
        start, total = _content_range(headers)
        if response.status_code == 416:
            if total == offset and known in (None, total):
                return
            self.drop()
            raise TryAgain(f"HTTP 416 for the bytes from {offset}, of {total}")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise self.wrong("sent encoded though the plain file was asked for")
        if response.status_code == 206:
            total = known if total is None else total
            if start != offset or not offset or known not in (None, total):
                self.drop()
                raise TryAgain(
                    f"asked for the bytes from {offset}, got {headers.get('Content-Range')}"
                )
            if _changed(headers, self.entry.validator):
                self.drop()
                raise TryAgain("the file changed on the server")
        else:
            offset, total = 0, _number(headers.get("Content-Length", ""))
            if total is None and "chunked" not in headers.get("Transfer-Encoding", ""):
                raise self.wrong("no length was sent, so a cut would go unnoticed")
        self._begin(response, offset, total)
        self._receive(response, offset)

    def _begin(self, response: httpx.Response, offset: int, total: int | None) -> None:
        hub_sha256, linked_size = _announced(response)
        for expected in (self.size, linked_size):
            if expected is not None and total is not None and expected != total:
                raise self.wrong(f"expected {expected} bytes, the server has {total}")
        if total is not None and total > self.max_bytes:
            raise self.wrong(f"{total} bytes are more than the limit {self.max_bytes}")
        before = self.entry if offset else Fetched(to=self.entry.to, url=self.entry.url)
        if self.sha256 is None and hub_sha256 is not None:
            if before.sha256 not in (None, hub_sha256):
                self.drop()
                raise TryAgain("the file changed on the server")
            digest: str | None = hub_sha256
        else:
            digest = self.sha256 or before.sha256
        if total is None:
            total = self.size if self.size is not None else linked_size
        validator = _validator(response.headers) or before.validator
        if not offset:  # before the entry, which must never speak of another version's bytes
            self.part.unlink(missing_ok=True)
        self.entry = self.remember(self.entry, validator=validator, total=total, sha256=digest)

    def _receive(self, response: httpx.Response, offset: int) -> None:
        self.resumed |= offset > 0
        done = offset
        with self.part.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                if done > self.max_bytes:
                    raise self.wrong(f"more than the limit of {self.max_bytes} bytes")
                self.progress(done, self.entry.total)
        if self.entry.total is not None and done != self.entry.total:
            if done > self.entry.total:
                self.drop()
            raise TryAgain(f"expected {self.entry.total} bytes, got {done}")

    def _finish(self) -> Fetched:
        """Check the whole."""
        digest, length = hashlib.sha256(), 0
        with self.part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                length += len(block)
            os.fsync(file.fileno())
        expected, found = self.entry.sha256, digest.hexdigest()
        if expected not in (None, found):
            self.drop()
            reason = f"expected the SHA-256 {expected}, got {found} over {length} bytes"
            if self.resumed and not self.restarted:
                self.restarted = True  # parts of two versions, perhaps; a fresh start decides
                raise TryAgain(reason, wait=0)
            raise self.wrong(reason)
        if self.size is not None and length != self.size:
            self.drop()
            raise self.wrong(f"expected {self.size} bytes, got {length}")
        checked = expected is not None
        return self.remember(
            self.entry, state="staged", sha256=found, bytes=length, checked=checked
        )


def _number(text: str) -> int | None:
    return int(text) if _LENGTH.match(text) else None


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """First byte and total length of a Content-Range; None for what it does not say."""
    match = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
    return (None, None) if match is None else (_number(match[1] or ""), _number(match[3]))


def _validator(headers: Mapping[str, str]) -> str | None:
    """What identifies a version of the file; a weak entity tag may not be used with Range."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _changed(headers: Mapping[str, str], validator: str | None) -> bool:
    """Whether a partial answer says that it is of another version than `validator` names."""
    name = "ETag" if validator and validator.startswith('"') else "Last-Modified"
    return validator is not None and headers.get(name) not in (None, validator)


def _announced(response: httpx.Response) -> tuple[str | None, int | None]:
    """Digest and size that the Hugging Face hub gives for large files, before it redirects."""
    for answer in (*response.history, response):
        digest = answer.headers.get("X-Linked-Etag", "").strip('"')
        if _SHA256.match(digest):
            return digest, _number(answer.headers.get("X-Linked-Size", ""))
    return None, None
