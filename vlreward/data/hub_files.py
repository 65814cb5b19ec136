"""The files of a data set repository of the Hugging Face hub, with their sizes and digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from vlreward.data.download import RetryPolicy
from vlreward.data.errors import FetchError
from vlreward.data.sources import PlanItem

if TYPE_CHECKING:
    import httpx

__all__ = ["repository_files"]

_MAX_PAGES = 1000


def repository_files(
    client: httpx.Client, item: PlanItem, retry: RetryPolicy
) -> Iterator[PlanItem]:
    """One item per file of a repository, as the hub's tree lists them.

    Files kept in large-file storage come with their SHA-256. `.gitattributes` is left out.

    Raises:
        FetchError: If the hub does not answer, or answers with something else.
    """
    start = urlsplit(item.url)
    name = start.path.removeprefix("/datasets/")
    hub = f"{start.scheme}://{start.netloc}"
    page: str | None = f"{hub}/api/datasets/{name}/tree/main?recursive=true&expand=false"
    for _ in range(_MAX_PAGES):
        if page is None:
            return
        response = _get(client, page, retry)
        try:
            entries = response.json()
            if not isinstance(entries, list):
                raise TypeError(type(entries).__name__)
            files = [_file(item, entry) for entry in entries if entry["type"] == "file"]
        except (ValueError, KeyError, TypeError) as error:
            raise FetchError(f"{page}: expected a list of files: {error!r}") from None
        yield from (file for file in files if not file.to.endswith("/.gitattributes"))
        following = response.links.get("next", {}).get("url")
        page = urljoin(page, following) if following else None
    raise FetchError(f"{item.url}: more than {_MAX_PAGES} pages of files")


def _file(item: PlanItem, entry: dict[str, Any]) -> PlanItem:
    path, size = entry["path"], entry["size"]
    parts = PurePosixPath(path).parts
    if ".." in parts or not parts or path.startswith("/") or "\\" in path or "\0" in path:
        raise FetchError(f"{item.url}: the hub lists a file {path!r} outside the repository")
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size {size!r}")
    large = entry.get("lfs")
    return PlanItem(
        url=f"{item.url}/resolve/main/{quote(path)}",
        to=f"{item.to}/{path}",
        kind="file",
        about=item.about,
        size=size,
        sha256=str(large["oid"]) if large else None,
    )


def _get(client: httpx.Client, url: str, retry: RetryPolicy) -> httpx.Response:
    import httpx

    for number in range(1, retry.tries + 1):
        try:
            response = client.get(url)
            if response.status_code == 200:
                return response
            reason = f"HTTP {response.status_code} {response.reason_phrase}"
            if response.status_code < 500 and response.status_code != 429:
                raise FetchError(f"{url}: {reason}")
        except httpx.TransportError as error:
            reason = f"{type(error).__name__}: {error}"
        if number < retry.tries:
            retry.sleep(min(retry.longest, retry.backoff * 2 ** (number - 1)))
    raise FetchError(f"{url}: gave up after {retry.tries} tries: {reason}")
