"""A headless Chromium and pages that are watched for anything a report must not do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Watch:
    """What a page did that it must not do."""

    dialogs: list[str] = field(default_factory=list)
    """Texts of dialogs."""
    errors: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and uncaught exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, other than the page itself, data and files."""
    files: list[str] = field(default_factory=list)
    """Files asked for, other than the page itself."""


Open = Callable[..., tuple[Any, Watch]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium found: looked for {', '.join(_NAMES)} in PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Open a report from disk: `open_page(path, address="", **context)`; wait until it is ready."""
    contexts = []

    def open_report(path: Path, address: str = "", **options: Any) -> tuple[Any, Watch]:
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        watch = Watch()

        def refuse(dialog: Any) -> None:
            watch.dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", refuse)
        page.on("pageerror", lambda error: watch.errors.append(str(error)))
        page.on(
            "console",
            lambda m: watch.errors.append(m.text) if m.type in ("error", "warning") else None,
        )

        def asked(request: Any) -> None:
            address = request.url.partition("#")[0]
            if address.startswith("file:") and address != path.as_uri():
                watch.files.append(address)
            elif not address.startswith(("data:", "file:")):
                watch.requests.append(address)

        page.on("request", asked)
        page.goto(path.as_uri() + address)
        page.wait_for_selector("html[data-ready=true]")
        return page, watch

    yield open_report
    for context in contexts:
        context.close()
