"""A served report in Chromium while its run goes on, and curves without samples."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pictures import noise
from tests.report.recorded_runs import make_row, write_run
from vlreward.report import write_report
from vlreward.report.serve import LiveReport, make_server

pytestmark = pytest.mark.browser

BOX = [100.0, 100.0, 700.0, 500.0]


def _write(run: Path, n: int) -> None:
    rows = [
        make_row("rec", f"s{i}", BOX, f"<answer>{BOX}</answer>", BOX, image="a.png",
                 image_size=[900, 600], question=f"Where is {i}?")
        for i in range(n)
    ]  # fmt: skip
    write_run(run, {"val": rows}, image_root=".", wanted=40)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    run = tmp_path / "run"
    _write(run, 12)
    noise((900, 600), 90).save(run / "a.png")
    with make_server(LiveReport([run]), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield run, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_it_goes_on_and_stays_where_the_reader_is(served: tuple[Path, str], chromium: Any) -> None:
    run, address = served
    context = chromium.new_context(viewport={"width": 1280, "height": 600})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(f"{address}#s:verdict=right&id=s7")
    page.wait_for_selector("html[data-ready=true]")
    assert "12" in page.locator("table.summary").inner_text()
    assert "of 40 so far" in page.locator("table.summary").inner_text()
    image = page.locator("#detail .picture img")
    assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") == 900, "in full"
    page.locator("#samples").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    _write(run, 20)
    page.get_by_text("20 of 20 samples", exact=True).wait_for(timeout=15_000)
    assert page.locator("#detail h3").inner_text().startswith("s7")
    assert page.evaluate("scrollY") == before
    page.locator("#q").focus()
    _write(run, 25)
    page.get_by_text("Live: the run has gone on").wait_for(timeout=15_000)
    assert page.locator("#count").inner_text() == "20 of 20 samples", "not while one types"
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(2500)
    assert page.locator("#count").inner_text() == "20 of 20 samples"
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("25 of 25 samples", exact=True).wait_for(timeout=15_000)
    assert errors == []
    context.close()


def test_the_end_of_the_server_is_said(served: tuple[Path, str], chromium: Any) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served[1])
    page.wait_for_selector("html[data-ready=true]")
    page.route("**/state", lambda route: route.abort())
    page.get_by_text("Not live any more: the server has ended").wait_for(timeout=10_000)
    context.close()


def test_curves_alone(tmp_path: Path, open_page: Any) -> None:
    log = [{"loss": 1 / step, "reward": step / 30, "step": step} for step in range(1, 31)]
    state = {"global_step": 30, "max_steps": 30, "log_history": log}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    page, watch = open_page(write_report([tmp_path], tmp_path / "p.html"))
    assert page.locator("#training figcaption").all_inner_texts() == ["reward", "loss"]
    assert page.locator("#training .curve").first.is_visible()
    assert (watch.errors, watch.requests, watch.files) == ([], [], [])
