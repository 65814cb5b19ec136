"""Images that rows name by their address: downloaded once, within limits, if that is allowed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlreward.data.errors import FetchError
from vlreward.data.retry import RetryPolicy, accept, certificates, persist
from vlreward.files import replacing

__all__ = ["UrlImages", "image_cache"]

_MAX_BYTES = 32 << 20
_SECONDS = 30.0
_AT_ONCE = 16
_RETRY = RetryPolicy(tries=3, longest=10)


def image_cache() -> Path:
    """Where downloaded images are kept: `vlreward/images` in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "vlreward" / "images"


@dataclass(frozen=True, slots=True)
class UrlImages:
    """Downloads images over http(s), each once: at most 32 MiB, in 30 s, after 5 redirects."""

    folder: Path
    """Where they are kept, under the digest of their address."""

    def source(self, name: str) -> Path:
        """The file of an image.

        Raises:
            FetchError: If it cannot be had; names the address.
        """
        file = self.folder / hashlib.sha256(name.encode()).hexdigest()
        if not file.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            data = persist(partial(_get, name), name, _RETRY)
            with replacing(file, "wb", sync=False) as out:
                out.write(data)
        return file

    def prefetch(self, names: Iterable[str]) -> None:
        """Download several at once; what cannot be had is told when it is asked for."""

        def get(name: str) -> FetchError | None:
            try:
                self.source(name)
            except FetchError as error:
                return error
            return None

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(get, dict.fromkeys(names)))


def _get(url: str) -> bytes:
    import httpx

    body = bytearray()
    with (
        httpx.Client(
            follow_redirects=True, max_redirects=5, timeout=_SECONDS, verify=certificates()
        ) as client,
        client.stream("GET", url) as response,
    ):
        accept(response, url)
        for block in response.iter_bytes():
            body += block
            if len(body) > _MAX_BYTES:
                raise FetchError(f"{url}: expected an image of at most {_MAX_BYTES >> 20} MiB")
    return bytes(body)
