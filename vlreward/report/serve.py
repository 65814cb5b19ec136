"""The report over HTTP, on this machine alone and to be read only, anew when its runs change."""

from __future__ import annotations

import hashlib
import html
import http.server
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from vlreward.bench.run_files import RESULTS_FILE
from vlreward.data.errors import DataError
from vlreward.data.images import image_size, opened_image
from vlreward.errors import OptionError
from vlreward.report.build import build_report
from vlreward.report.images import Found, Shown
from vlreward.report.load import is_run
from vlreward.report.training import state_files

__all__ = ["LiveReport", "make_server"]

_HOST = "127.0.0.1"
_LEAST_SECONDS = 1.0
_SHARE = 4  # of the time that building the page takes, until it is built again
_WATCHED = (RESULTS_FILE, "training.json", "samples_*.jsonl", "unfinished_*.json*")


class LiveReport:
    """A report that is built again when the files of its runs have changed.

    Args:
        run_dirs: As for `write_report`.
        options: As for `build_report`.
    """

    def __init__(self, run_dirs: Sequence[Path], **options: Any) -> None:
        self._run_dirs, self._options = list(run_dirs), options
        self._lock = threading.Lock()
        self._numbers: dict[Found, int] = {}
        self._shown: dict[Found, Shown] = {}
        self._images: list[Path | bytes] = []
        self._built_from, self._built, self._took = "", -1e9, 0.0
        self._page, self._token = b"", ""

    def page(self) -> tuple[bytes, str]:
        """The page and what tells it from others, built again if it is time."""
        with self._lock:
            wait = max(_LEAST_SECONDS, _SHARE * self._took)
            if (
                time.monotonic() - self._built >= wait
                and (now := self._state()) != self._built_from
            ):
                self._build(now)
            return self._page, self._token

    def image(self, number: int) -> Path | bytes | None:
        """An image that the page names by its number."""
        with self._lock:
            return self._images[number] if number < len(self._images) else None

    def _state(self) -> str:
        digest = hashlib.sha256()
        for run in self._run_dirs:
            files = [path for pattern in _WATCHED for path in sorted(run.glob(pattern))]
            for path in (*files, *state_files(run)):
                try:
                    about = path.stat()
                except OSError:  # it has just gone
                    continue
                digest.update(f"{path}\0{about.st_mtime_ns} {about.st_size}\n".encode())
        return digest.hexdigest()[:16]

    def _build(self, state: str) -> None:
        start = time.monotonic()
        try:
            report = build_report(
                self._run_dirs, Path("report.html"), live=state, show=self._show, **self._options
            )
            self._page = report.html.encode("utf-8", "replace")
        except DataError as error:  # nothing is there yet, or a file is being written
            begun = any(is_run(run) for run in self._run_dirs)
            why = "No answer is scored yet." if begun else f"Nothing to show yet: {error}"
            self._page = _WAITING.format(html.escape(why)).encode("utf-8", "replace")
        self._built_from = self._token = state
        self._built = time.monotonic()
        self._took = self._built - start

    def _show(self, found: Found) -> Shown:
        """An image as the page shows it: in full, from this server."""
        if found not in self._shown and found.source is not None:
            try:
                width, height = image_size(found.source)
            except DataError:
                self._shown[found] = Shown(why=f"image cannot be read: {found.name}")
            else:
                self._images.append(found.source)
                self._shown[found] = Shown(
                    href=f"image/{len(self._images) - 1}", size=(width, height)
                )
        return self._shown[found]


_WAITING = """<!doctype html><html lang="en" data-ready="true"><meta charset="utf-8">
<meta http-equiv="refresh" content="2"><meta name="color-scheme" content="light dark">
<title>vlreward report</title>
<style>body {{ font: 15px system-ui, sans-serif; margin: 3em; }}</style>
<h1>vlreward report</h1><p>{}</p></html>
"""


def make_server(report: LiveReport, port: int) -> http.server.ThreadingHTTPServer:
    """A server on 127.0.0.1 that answers GET and HEAD alone; `serve_forever` runs it.

    Args:
        port: Port; 0 for any that is free.

    Raises:
        OptionError: If the port is taken.
    """
    handler = type("Handler", (_Handler,), {"report": report})
    try:
        server = http.server.ThreadingHTTPServer((_HOST, port), handler)
    except OSError as error:
        raise OptionError(f"--port: cannot listen at {_HOST}:{port}: {error.strerror}") from None
    server.daemon_threads = True
    return server


class _Handler(http.server.BaseHTTPRequestHandler):
    report: ClassVar[LiveReport]
    timeout = 30
    server_version = "vlreward"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in (_HOST, "localhost"):  # a page elsewhere, by a name that leads here
            return self._send(403, b"this report is read on its own machine", "text/plain")
        path = urlsplit(self.path).path
        if path == "/":
            return self._send(200, self.report.page()[0], "text/html; charset=utf-8")
        if path == "/state":
            token = json.dumps({"token": self.report.page()[1]})
            return self._send(200, token.encode(), "application/json")
        if path == "/favicon.ico":
            return self._send(204, b"", "image/x-icon")
        name = path.removeprefix("/image/")
        if name != path and name.isascii() and name.isdigit() and len(name) < 9:
            image = self.report.image(int(name))
            if image is not None:
                return self._send_image(image)
        return self._send(404, b"not found", "text/plain")

    do_HEAD = do_GET

    def _send_image(self, source: Path | bytes) -> None:
        from PIL import Image

        try:
            with opened_image(source, max_pixels=None) as image:
                kind = Image.MIME.get(image.format or "", "application/octet-stream")
            content = source if isinstance(source, bytes) else source.read_bytes()
        except (DataError, OSError):
            return self._send(404, b"not found", "text/plain")
        return self._send(200, content, kind)

    def _send(self, code: int, content: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the page asks every two seconds."""
