"""The files of a data set repository of the Hugging Face hub, with their sizes and digests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from vlreward.data.errors import FetchError
from vlreward.data.retry import RetryPolicy, accept, persist
from vlreward.data.sources import PlanItem

if TYPE_CHECKING:
    import httpx

__all__ = ["repository_files"]

_MAX_PAGES = 1000
_MAX_PAGE = 64 << 20  # bytes


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
        files, following = persist(partial(_page, client, item, page), page, retry)
        yield from (file for file in files if not file.to.endswith("/.gitattributes"))
        page = following
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


def _page(client: httpx.Client, item: PlanItem, url: str) -> tuple[list[PlanItem], str | None]:
    """The files at an address, and the address of the page after it."""
    body = bytearray()
    with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        accept(response, url)
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > _MAX_PAGE:
                raise FetchError(f"{url}: expected a list of files, got over {_MAX_PAGE} bytes")
    try:
        entries = json.loads(body)
        if not isinstance(entries, list):
            raise TypeError(type(entries).__name__)
        files = [_file(item, entry) for entry in entries if entry["type"] == "file"]
    except FetchError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FetchError(f"{url}: expected a list of files: {error!r}") from None
    following = response.links.get("next", {}).get("url")
    return files, urljoin(url, following) if following else None
