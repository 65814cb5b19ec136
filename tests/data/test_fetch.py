"""Downloads from a local server that cuts, lies and serves malice."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.archives import tarred, zipped
from vlreward._lock import LockedError
from vlreward.data import hub_files
from vlreward.data._tree import Tree
from vlreward.data.download import Download
from vlreward.data.errors import FetchError
from vlreward.data.fetch import RECEIPT, fetch, fetch_plan
from vlreward.data.receipt import Fetched, Receipt
from vlreward.data.retry import RetryPolicy
from vlreward.data.sources import SOURCES, PlanItem
from vlreward.data.unpack import UnsafeArchiveError
from vlreward.registry import UnknownNameError

_BODY = random.Random(1).randbytes(600_000)
_SHA256 = hashlib.sha256(_BODY).hexdigest()


class Server:
    """Serves files; `script` answers the first requests in another way, one each."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.ranges = True
        self.script: list[Callable[[Any, bytes], None]] = []
        self.seen: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a second body waits 40 ms for the client

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.seen.append((path, self.headers.get("Range")))
                body = outer.files.get(path)
                if outer.script:
                    outer.script.pop(0)(self, body or b"")
                elif body is None:
                    self.send_error(404)
                else:
                    outer.serve(self, body)

            def log_message(self, *_: object) -> None:
                pass

        class Http(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exc_info()[1], ConnectionError):  # the client hung up
                    super().handle_error(request, client_address)

        self.http = Http(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def serve(self, handler: Any, body: bytes, cut: int | None = None) -> None:
        """An honest answer; with `cut`, the connection closes after that many bytes of it."""
        path = handler.path.partition("?")[0]
        tag = self.tags.get(path, f'"{hashlib.sha256(body).hexdigest()[:8]}"')
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        condition = handler.headers.get("If-Range")
        if asked and self.ranges and condition in (None, tag):
            start = int(asked[1])
            if start >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        if tag:
            handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.close_connection = True


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=True, timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def server(client: httpx.Client) -> Iterator[Server]:
    server = Server(client)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def _cut(server: Server, *places: int) -> None:
    for place in places:
        server.script.append(lambda handler, body, p=place: server.serve(handler, body, p))  # type: ignore[misc]


def _status(code: int, **headers: str) -> Callable[[Any, bytes], None]:
    def answer(handler: Any, _body: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def _raw(*head: str, body: bytes = b"", status: int = 200) -> Callable[[Any, bytes], None]:
    """An answer of any headers, after which the connection closes."""

    def answer(handler: Any, _body: bytes) -> None:
        handler.send_response_only(status)
        for line in head:
            name, _, value = line.partition(": ")
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


class _Waits(list[float]):
    def policy(self, tries: int = 3) -> RetryPolicy:
        return RetryPolicy(tries=tries, backoff=1.0, longest=60.0, sleep=self.append)


def _get(server: Server, target: Path, waits: _Waits | None = None, **options: Any) -> Fetched:
    """A download as a new process would do it, with the receipt that is there."""
    waits = _Waits() if waits is None else waits
    receipt = Receipt(target.parent)
    entry = receipt.entry("file", f"{server.url}/file")
    policy = waits.policy()
    return Download(server.client, entry, target, receipt.write, policy, **options).run()


def _state(server: Server, target: Path) -> str:
    return Receipt(target.parent).entry("file", f"{server.url}/file").state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file"


class TestDownload:
    def test_whole(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        heard: list[tuple[int, int | None]] = []
        got = _get(server, target, progress=lambda done, total: heard.append((done, total)))
        assert target.read_bytes() == _BODY
        assert (got.bytes, got.sha256, got.checked) == (len(_BODY), _SHA256, False)
        assert heard[-1] == (len(_BODY), len(_BODY))
        assert [done for done, _ in heard] == sorted(done for done, _ in heard)
        assert sorted(p.name for p in target.parent.iterdir()) == [RECEIPT, "file"]

    def test_nothing_is_done_twice(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        first = _get(server, target)
        assert _get(server, target) == first
        assert len(server.seen) == 1

    def test_cuts_are_resumed_where_they_were(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        _cut(server, 1000, 200_000, 1, 299_000)
        waits = _Waits()
        assert _get(server, target, waits).sha256 == _SHA256
        offsets = [asked for _, asked in server.seen]
        assert offsets == [None, *(f"bytes={n}-" for n in (1000, 201_000, 201_001, 500_001))]
        assert all(0.5 <= wait <= 1 for wait in waits)

    def test_resumed_in_a_later_run(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        _cut(server, 1000, 0, 0, 0)
        with pytest.raises(FetchError, match=r"gave up after 3 tries .* 1000 bytes there: .*later"):
            _get(server, target)
        assert _state(server, target) == "downloading"
        server.script.clear()
        assert _get(server, target).sha256 == _SHA256
        assert server.seen[-1][1] == "bytes=1000-"

    def test_a_file_that_changes_between_resumes_is_started_again(
        self, server: Server, target: Path
    ) -> None:
        server.files["/file"] = bytes(len(_BODY))
        _cut(server, 300_000)
        server.script.append(_then(_change(server), lambda h, _: server.serve(h, _BODY)))
        assert _get(server, target).sha256 == _SHA256

    def test_a_changed_file_of_an_ignored_if_range(self, server: Server, target: Path) -> None:
        server.files["/file"] = bytes(len(_BODY))
        _cut(server, 300_000)

        def ignore(handler: Any, _body: bytes) -> None:
            server.files["/file"] = _BODY
            del handler.headers["If-Range"]
            server.serve(handler, _BODY)

        server.script.append(ignore)
        assert _get(server, target).sha256 == _SHA256
        assert [asked for _, asked in server.seen] == [None, "bytes=300000-", None]

    def test_a_server_without_ranges(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.ranges = False
        _cut(server, 300_000)
        assert _get(server, target).sha256 == _SHA256

    def test_without_a_validator_nothing_is_resumed(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.tags["/file"] = ""
        _cut(server, 300_000)
        assert _get(server, target).sha256 == _SHA256
        assert [asked for _, asked in server.seen] == [None, None]

    def test_with_a_digest_it_is_resumed_all_the_same(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.tags["/file"] = ""
        _cut(server, 300_000)
        assert _get(server, target, sha256=_SHA256).checked
        assert server.seen[-1][1] == "bytes=300000-"

    def test_parts_of_two_versions_are_found_by_the_digest(
        self, server: Server, target: Path
    ) -> None:
        server.tags["/file"] = '"always the same"'
        server.files["/file"] = bytes(len(_BODY))
        _cut(server, 300_000)
        server.script.append(_then(_change(server), lambda h, _: server.serve(h, _BODY)))
        assert _get(server, target, sha256=_SHA256).sha256 == _SHA256
        assert [asked for _, asked in server.seen] == [None, "bytes=300000-", None]

    @pytest.mark.parametrize("code", [500, 502, 503, 504, 429, 408])
    def test_passing_failures_are_retried(self, server: Server, target: Path, code: int) -> None:
        server.files["/file"] = _BODY
        server.script += [_status(code), _status(code)]
        waits = _Waits()
        assert _get(server, target, waits).sha256 == _SHA256
        assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2

    def test_retry_after(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.script += [_status(503, Retry_After="7"), _status(429, Retry_After="9" * 30)]
        waits = _Waits()
        _get(server, target, waits)
        assert waits == [7, 60]

    def test_retry_after_as_a_date(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.script += [_status(503, Retry_After=formatdate(time.time() + 21, usegmt=True))]
        waits = _Waits()
        _get(server, target, waits)
        assert 18 < waits[0] <= 21

    def test_lasting_failures_end(self, server: Server, target: Path) -> None:
        server.script += [_status(500)] * 9
        with pytest.raises(FetchError, match=r"/file: gave up after 3 tries.*HTTP 500"):
            _get(server, target)
        assert len(server.seen) == 3

    @pytest.mark.parametrize("code", [401, 403, 404, 410])
    def test_refusals_are_not_retried(self, server: Server, target: Path, code: int) -> None:
        server.script += [_status(code)]
        with pytest.raises(FetchError, match=f"/file: HTTP {code} "):
            _get(server, target)
        assert len(server.seen) == 1

    def test_no_server(self, client: httpx.Client, target: Path) -> None:
        entry = Fetched(to="file", url="http://127.0.0.1:9/file")
        write = Receipt(target.parent).write
        with pytest.raises(FetchError, match=r"gave up after 3 tries.*ConnectError"):
            Download(client, entry, target, write, _Waits().policy()).run()

    def test_a_length_that_is_too_long(self, server: Server, target: Path) -> None:
        lie = _raw("Content-Length: 1000", 'ETag: "a"', body=b"x" * 600)
        server.script += [lie, *[_status(416, Content_Range="bytes */600")] * 20]
        server.script[2:2] = [lie]
        with pytest.raises(FetchError, match="gave up after 3 tries"):
            _get(server, target)
        assert _state(server, target) == "downloading"

    def test_a_length_that_is_too_short_is_found_by_the_size(
        self, server: Server, target: Path
    ) -> None:
        server.script += [_raw("Content-Length: 500", body=b"x" * 600)]
        with pytest.raises(FetchError, match="expected 600 bytes, the server has 500"):
            _get(server, target, size=600)

    def test_a_length_that_is_too_short_is_found_by_the_digest(
        self, server: Server, target: Path
    ) -> None:
        server.script += [_raw("Content-Length: 500", body=_BODY)]
        with pytest.raises(FetchError, match=f"expected the SHA-256 {_SHA256}, got .* 500 bytes"):
            _get(server, target, sha256=_SHA256)
        assert not target.exists()
        assert _state(server, target) == "downloading"

    @pytest.mark.parametrize(
        "told", ["bytes 5-599/600", "bytes 200-599/700", "bytes x", "", "bytes 300-599/600"]
    )
    def test_a_wrong_range_is_started_again(self, server: Server, target: Path, told: str) -> None:
        body = _BODY[:600]
        server.files["/file"] = body
        _cut(server, 200)
        server.script += [
            _raw(f"Content-Range: {told}", "Content-Length: 400", body=body[200:], status=206)
        ]
        assert _get(server, target).sha256 == hashlib.sha256(body).hexdigest()
        assert [asked for _, asked in server.seen] == [None, "bytes=200-", None]

    def test_a_part_that_was_not_asked_for(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        server.script += [_raw("Content-Range: bytes 0-9/600000", "Content-Length: 10",
                               body=_BODY[:10], status=206)]  # fmt: skip
        assert _get(server, target).sha256 == _SHA256

    def test_all_bytes_were_there_already(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        target.write_bytes(_BODY)
        entry = Fetched(to="file", url=f"{server.url}/file", validator=f'"{_SHA256[:8]}"')
        Receipt(target.parent).write(entry)
        assert _get(server, target).sha256 == _SHA256
        assert server.seen == [("/file", f"bytes={len(_BODY)}-")]

    @pytest.mark.parametrize(
        "known",
        [
            {},
            {"url": "http://other/file"},
            {"validator": '"a"', "state": "done", "bytes": 999},
            {"validator": '"a"', "state": "staged", "bytes": 1001},
        ],
    )
    def test_a_part_of_something_else_is_dropped(
        self, server: Server, target: Path, known: dict[str, Any]
    ) -> None:
        server.files["/file"] = _BODY
        target.write_bytes(b"x" * 1000)
        entry = Fetched(**{"to": "file", "url": f"{server.url}/file", **known})
        Receipt(target.parent).write(entry)
        assert _get(server, target).sha256 == _SHA256
        assert server.seen == [("/file", None)]

    def test_no_length_at_all(self, server: Server, target: Path) -> None:
        server.script += [_raw(body=_BODY)]
        with pytest.raises(FetchError, match="a cut would go unnoticed"):
            _get(server, target)

    def test_chunks(self, server: Server, target: Path) -> None:
        chunked = b"258\r\n" + _BODY[:600] + b"\r\n0\r\n\r\n"
        server.script += [
            _raw("Transfer-Encoding: chunked", body=chunked[:300]),
            _raw("Transfer-Encoding: chunked", body=chunked),
        ]
        assert _get(server, target).sha256 == hashlib.sha256(_BODY[:600]).hexdigest()

    def test_endless_chunks_stop_at_the_limit(self, server: Server, target: Path) -> None:
        server.script += [
            _raw("Transfer-Encoding: chunked", body=b"258\r\n" + _BODY[:600] + b"\r\n")
        ]
        with pytest.raises(FetchError, match="more than the limit of 500 bytes"):
            _get(server, target, max_bytes=500)

    def test_announced_lengths_over_the_limit(self, server: Server, target: Path) -> None:
        server.files["/file"] = _BODY
        with pytest.raises(FetchError, match="600000 bytes are more than the limit 500"):
            _get(server, target, max_bytes=500)

    def test_encoded_answers(self, server: Server, target: Path) -> None:
        body = gzip.compress(_BODY)
        server.script += [_raw("Content-Encoding: gzip", f"Content-Length: {len(body)}", body=body)]
        with pytest.raises(FetchError, match="sent encoded"):
            _get(server, target)

    def test_the_digest_that_the_hub_announces(self, server: Server, target: Path) -> None:
        server.files["/cdn"] = _BODY
        link = {"X_Linked_Etag": f'"{_SHA256}"', "X_Linked_Size": str(len(_BODY))}
        server.script += [_status(302, Location="/cdn", **link)]
        assert _get(server, target).checked
        target.unlink()
        server.files["/cdn"] = bytes(len(_BODY))
        server.script += [_status(302, Location="/cdn", **link)]
        with pytest.raises(FetchError, match=f"expected the SHA-256 {_SHA256}"):
            _get(server, target)

    def test_endless_redirects(self, server: Server, target: Path) -> None:
        server.script += [_status(302, Location="/file")] * 50
        with pytest.raises(FetchError, match="TooManyRedirects"):
            _get(server, target)


def _wait(event: threading.Event) -> None:
    event.wait(5)


def _change(server: Server) -> Callable[[Any, bytes], None]:
    return lambda _handler, _body: server.files.update({"/file": _BODY})


def _then(*answers: Callable[[Any, bytes], None]) -> Callable[[Any, bytes], None]:
    def answer(handler: Any, body: bytes) -> None:
        for one in answers:
            one(handler, body)

    return answer


def _item(server: Server, path: str, to: str, kind: Any = "file", **options: Any) -> PlanItem:
    return PlanItem(f"{server.url}{path}", to, kind, "a test", **options)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("quick")
class TestFetch:
    def _fetch(self, items: list[PlanItem], dest: Path, **options: Any) -> Any:
        options = {"progress": False, "retry": _Waits().policy(), **options}
        return fetch(items, dest=dest, **options)

    def _tree(self, dest: Path) -> list[str]:
        return sorted(str(p.relative_to(dest)) for p in dest.rglob("*") if p.is_file())

    def test_files_and_archives(self, server: Server, tmp_path: Path) -> None:
        archive = zipped({"train2014/a.jpg": b"a", "train2014/b.jpg": b"b"})
        server.files |= {"/train2014.zip": archive, "/labels.jsonl": b"{}\n"}
        items = [
            _item(server, "/train2014.zip", "coco", "archive"),
            _item(server, "/labels.jsonl", "labels.jsonl"),
        ]
        done = self._fetch(items, tmp_path / "data")
        assert [(f.to, f.files, f.fresh) for f in done] == [
            ("coco", 2, True),
            ("labels.jsonl", 1, True),
        ]
        assert self._tree(tmp_path / "data") == [
            "coco/train2014/a.jpg",
            "coco/train2014/b.jpg",
            RECEIPT,
            "labels.jsonl",
        ]
        receipt = json.loads((tmp_path / "data" / RECEIPT).read_text())["items"]
        assert receipt["coco"]["sha256"] == hashlib.sha256(archive).hexdigest()
        assert receipt["coco"]["url"] == f"{server.url}/train2014.zip"
        assert not (tmp_path / "data" / ".fetch").exists()

    def test_a_second_fetch_asks_for_nothing(self, server: Server, tmp_path: Path) -> None:
        server.files["/x.tgz"] = tarred(("a", b"a"), mode="w:gz")
        items = [_item(server, "/x.tgz", "x", "archive")]
        first = self._fetch(items, tmp_path)
        again = self._fetch(items, tmp_path)
        assert [f.fresh for f in again] == [False]
        assert again[0].sha256 == first[0].sha256
        assert len(server.seen) == 1

    def test_what_was_deleted_is_fetched_again(self, server: Server, tmp_path: Path) -> None:
        server.files["/x"] = b"x"
        items = [_item(server, "/x", "x")]
        self._fetch(items, tmp_path)
        (tmp_path / "x").unlink()
        assert self._fetch(items, tmp_path)[0].fresh

    def test_one_directory_of_the_same_name_is_not_doubled(
        self, server: Server, tmp_path: Path
    ) -> None:
        server.files["/r.zip"] = zipped({"refgta/a": b"a"})
        self._fetch([_item(server, "/r.zip", "refgta", "archive")], tmp_path)
        assert (tmp_path / "refgta" / "a").read_bytes() == b"a"

    def test_archives_can_be_kept(self, server: Server, tmp_path: Path) -> None:
        server.files["/x.zip"] = zipped({"a": b"a"})
        items = [_item(server, "/x.zip", "x", "archive")]
        self._fetch(items, tmp_path, keep_archives=True)
        assert (tmp_path / ".fetch" / "x.zip").read_bytes() == server.files["/x.zip"]

    def test_files_of_others_are_not_touched(self, server: Server, tmp_path: Path) -> None:
        server.files |= {"/x.zip": zipped({"a": b"new"}), "/y": b"new"}
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "a").write_bytes(b"mine")
        (tmp_path / "x" / "mine").write_bytes(b"mine")
        (tmp_path / "y").write_bytes(b"mine")
        items = [_item(server, "/x.zip", "x", "archive"), _item(server, "/y", "y")]
        for item in items:
            with pytest.raises(FetchError, match="exists and was not fetched"):
                self._fetch([item], tmp_path)
        assert (tmp_path / "x" / "a").read_bytes() == (tmp_path / "y").read_bytes() == b"mine"
        self._fetch(items, tmp_path, overwrite=True)
        assert (tmp_path / "x" / "a").read_bytes() == (tmp_path / "y").read_bytes() == b"new"
        assert (tmp_path / "x" / "mine").read_bytes() == b"mine"

    def test_a_broken_archive_is_downloaded_again(self, server: Server, tmp_path: Path) -> None:
        server.files["/x.zip"] = b"PK\x03\x04 but no more"
        items = [_item(server, "/x.zip", "x", "archive")]
        with pytest.raises(FetchError, match="cannot unpack"):
            self._fetch(items, tmp_path)
        assert not (tmp_path / "x").exists()
        server.files["/x.zip"] = zipped({"a": b"a"})
        self._fetch(items, tmp_path)
        assert (tmp_path / "x" / "a").read_bytes() == b"a"

    def test_an_unsafe_archive_leaves_nothing_in_place(
        self, server: Server, tmp_path: Path
    ) -> None:
        server.files["/x.tar"] = tarred(("good", b"a"), ("../evil", b"x"))
        dest = tmp_path / "data"
        with pytest.raises(UnsafeArchiveError, match=r"'\.\./evil'"):
            self._fetch([_item(server, "/x.tar", "x", "archive")], dest)
        assert self._tree(tmp_path) == ["data/.fetch/x.tar", f"data/{RECEIPT}"]

    @pytest.mark.parametrize("to", ["../x", "/x", "", "a/../../x", ".fetch/x"])
    def test_places_outside_the_destination(self, server: Server, tmp_path: Path, to: str) -> None:
        with pytest.raises(FetchError, match="a place below the destination"):
            self._fetch([_item(server, "/x", to)], tmp_path / "data")

    @pytest.mark.parametrize("link", ["a", "a/b", "a/b/x", ".fetch"])
    @pytest.mark.parametrize("kind", ["file", "archive"])
    def test_links_in_the_destination(
        self, server: Server, tmp_path: Path, link: str, kind: str
    ) -> None:
        """Whoever put them there, nothing is written through them."""
        server.files["/x"] = zipped({"x": b"x"})
        (tmp_path / "elsewhere").mkdir()
        place = tmp_path / "data" / link
        place.parent.mkdir(parents=True)
        place.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FetchError, match="symbolic link"):
            self._fetch([_item(server, "/x", "a/b/x", kind)], tmp_path / "data", overwrite=True)
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert server.seen == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
    def test_a_full_disk_keeps_the_archive(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        server.files["/x.zip"] = zipped({"a": b"a", "b": b"b"})
        items = [_item(server, "/x.zip", "x", "archive")]

        def fail(*_: object) -> Any:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(Tree, "create", fail)
            with pytest.raises(FetchError, match="The archive is kept"):
                self._fetch(items, tmp_path)
        assert self._fetch(items, tmp_path)[0].files == 2
        assert len(server.seen) == 1

    def test_a_full_disk_during_the_download(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["/x"] = _BODY
        monkeypatch.setattr("sys.dont_write_bytecode", True)  # of what is imported meanwhile
        before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIG_IGN
        old = signal.signal(signal.SIGXFSZ, handler)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(FetchError, match="File too large; the next run goes on"):
                self._fetch([_item(server, "/x", "x")], tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, old)
        assert self._fetch([_item(server, "/x", "x")], tmp_path)[0].sha256 == _SHA256
        assert server.seen[-1][1] == "bytes=100000-"

    def test_a_receipt_of_the_first_version(self, server: Server, tmp_path: Path) -> None:
        item = {"to": "x", "url": f"{server.url}/x", "bytes": 1, "sha256": "0", "checked": False}
        first = {"vlreward_fetch": 1, "items": {"x": {**item, "files": 1}}}
        (tmp_path / RECEIPT).write_text(json.dumps(first))
        (tmp_path / "x").write_bytes(b"x")
        assert [f.fresh for f in self._fetch([_item(server, "/x", "x")], tmp_path)] == [False]
        assert server.seen == []

    def test_an_archive_that_a_kill_left_is_removed(self, server: Server, tmp_path: Path) -> None:
        server.files["/x.zip"] = zipped({"a": b"a"})
        items = [_item(server, "/x.zip", "x", "archive")]
        self._fetch(items, tmp_path, keep_archives=True)
        assert (tmp_path / ".fetch" / "x.zip").exists()
        self._fetch(items, tmp_path)
        assert not (tmp_path / ".fetch").exists()

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"vlreward_fetch": 3, "items": {}}',
        '{"vlreward_fetch": 1, "items": {"x": 3}}', '{"vlreward_fetch": 2, "items": {"x": {}}}',
        '{"vlreward_fetch": 1, "items": [1]}', '\xff'])  # fmt: skip
    def test_a_damaged_receipt(self, server: Server, tmp_path: Path, content: str) -> None:
        (tmp_path / RECEIPT).write_text(content, encoding="latin-1")
        with pytest.raises(FetchError, match="expected the receipt of a fetch"):
            self._fetch([_item(server, "/x", "x")], tmp_path)

    def test_one_at_a_time(self, server: Server, tmp_path: Path) -> None:
        release = threading.Event()
        server.files["/x"] = b"x"
        server.script.append(_then(lambda h, b: _wait(release), server.serve))
        first = threading.Thread(target=self._fetch, args=([_item(server, "/x", "x")], tmp_path))
        first.start()
        while not server.seen:
            time.sleep(0.01)
        with pytest.raises(LockedError, match="another process is writing here"):
            self._fetch([_item(server, "/x", "x")], tmp_path)
        release.set()
        first.join()
        assert (tmp_path / "x").read_bytes() == b"x"

    @pytest.mark.parametrize("broken_at", range(1, 7))
    def test_killed_while_files_are_put_in_place(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_at: int
    ) -> None:
        """Every rename may be the last thing that a run does; the next run completes it."""
        server.files["/x.zip"] = zipped({"a": b"a", "b": b"b"})
        (tmp_path / "x").mkdir()  # so that entries are moved one by one
        items = [_item(server, "/x.zip", "x", "archive")]
        replace, calls = os.replace, 0

        def dying(*args: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == broken_at:
                raise KeyboardInterrupt
            replace(*args)

        monkeypatch.setattr(os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            self._fetch(items, tmp_path)
        assert Receipt(tmp_path).entry("x", items[0].url).state != "done"
        monkeypatch.setattr(os, "replace", replace)
        assert self._fetch(items, tmp_path)[0].files == 2
        assert self._tree(tmp_path) == [RECEIPT, "x/a", "x/b"]

    @pytest.mark.parametrize(
        ("kills", "n"), [(4, 200), pytest.param(100, 1500, marks=pytest.mark.slow, id="a hundred")]
    )
    def test_killed_at_any_moment(self, server: Server, tmp_path: Path, kills: int, n: int) -> None:
        """Downloads, unpacks, installs into a directory that is there; then all is there."""
        files = {f"{number % 7}/{number}": b"x" * number for number in range(n)}
        server.files |= {"/x.zip": zipped(files), "/y.tgz": tarred(*files.items(), mode="w:gz")}
        items = [_item(server, f"/{name}", name[0], "archive") for name in ("x.zip", "y.tgz")]
        code = (
            "import sys\n"
            "from vlreward.data.fetch import fetch\n"
            "from vlreward.data.sources import PlanItem\n"
            "import httpx, vlreward.data.unpack\n"
            "items = [PlanItem(url, to, 'archive', '') for url, to in zip(sys.argv[2:], 'xy')]\n"
            "print(flush=True)\n"
            "fetch(items, dest=sys.argv[1], progress=False)\n"
        )
        dice = random.Random(kills)
        for number in range(kills):
            dest = tmp_path / f"{number}"
            (dest / "x").mkdir(parents=True)
            command = [sys.executable, "-c", code, str(dest), *(item.url for item in items)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.uniform(0, n / 3000))
            process.kill()
            process.communicate()
            assert [done.files for done in self._fetch(items, dest)] == [n, n]
            everything = [f"{to}/{file}" for to in "xy" for file in files]
            assert self._tree(dest) == sorted([RECEIPT, *everything])

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
    def test_killed_in_the_middle_of_a_download(self, server: Server, tmp_path: Path) -> None:
        server.files["/x"] = _BODY
        hold = threading.Event()

        def slow(handler: Any, body: bytes) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.send_header("ETag", f'"{_SHA256[:8]}"')
            handler.end_headers()
            handler.wfile.write(body[:300_000])
            handler.wfile.flush()
            hold.wait(20)
            handler.close_connection = True

        server.script.append(slow)
        code = (
            "import sys\n"
            "from vlreward.data.fetch import fetch\n"
            "from vlreward.data.sources import PlanItem\n"
            "fetch([PlanItem(sys.argv[1], 'x', 'file', '')], dest=sys.argv[2], progress=False)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/x", str(tmp_path)])
        part = tmp_path / ".fetch" / "x"
        end = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
        process.wait()
        hold.set()
        there = part.stat().st_size
        assert not (tmp_path / "x").exists()
        assert self._fetch([_item(server, "/x", "x")], tmp_path)[0].sha256 == _SHA256
        assert server.seen[-1][1] == f"bytes={there}-"

    def test_progress_bars(self, server: Server, tmp_path: Path, capfd: Any) -> None:
        server.files["/x.zip"] = zipped({"a": _BODY})
        self._fetch([_item(server, "/x.zip", "x", "archive")], tmp_path, progress=True)
        shown = capfd.readouterr()
        assert shown.out == ""
        assert "unpack x.zip" in shown.err


@pytest.mark.usefixtures("quick")
class TestRepositories:
    def _entry(self, path: str, body: bytes, large: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(body), "oid": "0"}
        if large:
            digest = hashlib.sha256(body).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(body), "pointerSize": 130}
        return entry

    def _publish(self, server: Server, files: dict[str, bytes]) -> PlanItem:
        listing = [self._entry(p, b, p.endswith((".parquet", ".zip"))) for p, b in files.items()]
        listing.insert(0, {"type": "directory", "path": "data", "size": 0, "oid": "0"})
        server.files["/api/datasets/o/n/tree/main"] = json.dumps(listing).encode()
        for path, body in files.items():
            server.files[f"/datasets/o/n/resolve/main/{path.replace(' ', '%20')}"] = body
        return _item(server, "/datasets/o/n", "n", "repository", unpack=("images.zip",))

    def _fetch(self, item: PlanItem, dest: Path) -> Any:
        return fetch([item], dest=dest, progress=False, retry=_Waits().policy())

    def test_every_file_is_checked(self, server: Server, tmp_path: Path) -> None:
        files = {
            "README.md": b"# n",
            ".gitattributes": b"",
            "data/train 1.parquet": _BODY,
            "images.zip": zipped({"images/test/0.png": b"p"}),
        }
        done = self._fetch(self._publish(server, files), tmp_path)
        assert {f.to: f.checked for f in done} == {
            "n/README.md": False,
            "n/data/train 1.parquet": True,
            "n/images.zip": True,
            "n/images.zip/": True,
        }
        assert (tmp_path / "n" / "images" / "test" / "0.png").read_bytes() == b"p"
        assert (tmp_path / "n" / "data" / "train 1.parquet").read_bytes() == _BODY
        asked = len(server.seen)
        again = self._fetch(self._publish(server, files), tmp_path)
        assert not any(f.fresh for f in again)
        assert len(server.seen) == asked + 1  # the listing

    def test_pages(self, server: Server, tmp_path: Path) -> None:
        item = self._publish(server, {"a": b"a", "b": b"b"})
        pages = [[self._entry("a", b"a", False)], [self._entry("b", b"b", False)]]

        def page(number: int, *links: str) -> Callable[[Any, bytes], None]:
            body = json.dumps(pages[number]).encode()
            return _raw(f"Content-Length: {len(body)}", *links, body=body)

        api = "/api/datasets/o/n/tree/main?cursor=2"
        server.script += [page(0, f'Link: <{server.url}{api}>; rel="next"')]
        server.script += [_raw("Content-Length: 1", body=b"a"), page(1)]
        assert [f.to for f in self._fetch(item, tmp_path)] == ["n/a", "n/b"]

    def test_a_changed_file_is_found(self, server: Server, tmp_path: Path) -> None:
        item = self._publish(server, {"x.parquet": _BODY})
        server.files["/datasets/o/n/resolve/main/x.parquet"] = bytes(len(_BODY))
        with pytest.raises(FetchError, match="expected the SHA-256"):
            self._fetch(item, tmp_path)
        server.files["/datasets/o/n/resolve/main/x.parquet"] = _BODY[:-1]
        with pytest.raises(FetchError, match="expected 600000 bytes, the server has 599999"):
            self._fetch(item, tmp_path)

    def test_long_and_odd_names(self, server: Server, tmp_path: Path, capfd: Any) -> None:
        names = ["a[/b].txt", "é" * 120, "/".join(["d" * 50] * 6), "a\nb\x1b[31m"]
        item = self._publish(server, {})
        listing = [self._entry(name, b"x", False) for name in names]
        server.files["/api/datasets/o/n/tree/main"] = json.dumps(listing).encode()
        for name in names:
            server.files[f"/datasets/o/n/resolve/main/{quote(name)}"] = b"x"
        fetch([item], dest=tmp_path, retry=_Waits().policy())
        assert all((tmp_path / "n" / name).read_bytes() == b"x" for name in names)
        assert "\x1b[31m" not in capfd.readouterr().err

    @pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"], ["x" * 300]])
    def test_names_that_no_disk_takes_together(
        self, server: Server, tmp_path: Path, names: list[str]
    ) -> None:
        with pytest.raises(FetchError):
            self._fetch(self._publish(server, dict.fromkeys(names, b"x")), tmp_path)

    def test_a_listing_without_end(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub_files, "_MAX_PAGE", 100_000)
        item = self._publish(server, {"a": b"a"})
        server.script += [_raw("Content-Length: 600000", body=_BODY)]
        with pytest.raises(FetchError, match="expected a list of files, got over 100000 bytes"):
            self._fetch(item, tmp_path)

    @pytest.mark.parametrize("to", ["data:,x", "file:///etc/passwd", "http://[::", "//\x7f"])
    def test_redirects_to_no_server(self, server: Server, tmp_path: Path, to: str) -> None:
        item = self._publish(server, {"a": b"a"})
        for before in ([], [server.serve]):
            server.script += [*before, *[_status(302, Location=to)] * 3]
            with pytest.raises(FetchError):
                self._fetch(item, tmp_path)
            server.script.clear()

    @pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a\\b"])
    def test_listed_paths_outside(self, server: Server, tmp_path: Path, path: str) -> None:
        item = self._publish(server, {path: b"x"})
        with pytest.raises(FetchError, match="outside the repository"):
            self._fetch(item, tmp_path)

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[3]", b'[{"type": "file"}]'])
    def test_listings_that_are_none(self, server: Server, tmp_path: Path, body: bytes) -> None:
        item = self._publish(server, {})
        server.files["/api/datasets/o/n/tree/main"] = body
        with pytest.raises(FetchError, match="expected a list of files"):
            self._fetch(item, tmp_path)

    def test_the_listing_is_retried(self, server: Server, tmp_path: Path) -> None:
        item = self._publish(server, {"a": b"a"})
        server.script += [_status(503), _status(500)]
        assert len(self._fetch(item, tmp_path)) == 1
        server.script += [_status(404)]
        with pytest.raises(FetchError, match=r"tree/main.*: HTTP 404"):
            self._fetch(item, tmp_path)
        server.script += [_status(500)] * 3
        with pytest.raises(FetchError, match=r"gave up after 3 tries .*: HTTP 500"):
            self._fetch(item, tmp_path)


class TestPlan:
    @pytest.mark.parametrize("name", SOURCES.names())
    @pytest.mark.parametrize("source", ["hf", "paddlemix"])
    def test_plans(self, name: str, source: Any) -> None:
        if source == "paddlemix" and SOURCES.get(name).archive is None:
            with pytest.raises(ValueError, match=f"PaddleMIX has no archive of '{name}'"):
                fetch_plan(name, source)
            return
        plan = fetch_plan(name, source)
        assert all(item.url.startswith("https://") and item.about for item in plan)
        assert len({item.to for item in plan}) == len(plan)
        assert all(item.size is None and item.sha256 is None for item in plan)

    def test_the_archives_of_paddlemix(self) -> None:
        base = "https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm"
        urls = [fetch_plan(n, "paddlemix")[0].url for n in ("rec", "counting", "geometry")]
        assert urls == [f"{base}/{file}" for file in ("REC.tar", "Counting.tar", "GEO.tar")]

    def test_a_mirror_of_the_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
        urls = [item.url for item in fetch_plan("rec")]
        assert all(url.startswith("https://mirror.example/datasets/omlab/") for url in urls)

    def test_unknown_names(self) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown data set 'recs'; did you mean 'rec'"):
            fetch_plan("recs")
        with pytest.raises(ValueError, match="expected source 'hf' or 'paddlemix', got 'x'"):
            fetch_plan("rec", "x")  # type: ignore[arg-type]

    def test_fetch_follows_the_plan(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        base = "/datasets/omlab/VLM-R1/resolve/main"
        annotations = b'[{"image": "train2014/a.jpg", "solution": [1, 2, 3, 4], "problem": "x"}]'
        server.files |= {
            f"{base}/train2014.zip": zipped({"train2014/a.jpg": b"a"}),
            f"{base}/refgta.zip": zipped({"refgta/b.jpg": b"b"}),
            f"{base}/rec_jsons_processed.zip": zipped(
                {"rec_jsons_processed/refcoco_val.json": annotations}
            ),
        }
        fetch("rec", dest=tmp_path, progress=False, retry=_Waits().policy())
        from vlreward.data import load

        data = load(
            tmp_path / "rec_jsons_processed" / "refcoco_val.json", image_root=tmp_path / "coco"
        )
        assert data.image(data[0]) == tmp_path / "coco" / "train2014" / "a.jpg"
        assert (tmp_path / "refgta" / "b.jpg").exists()
