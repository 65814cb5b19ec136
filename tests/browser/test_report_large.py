"""5,000 samples with images up to the default limit: the page opens and scrolls without stalling.

The times are printed (`pytest -s`), never asserted: they depend on the machine. What is asserted
is what makes them small: the document holds only the rows in sight.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.pictures import noise
from tests.report.recorded_runs import make_row, write_run
from vlreward.report import build_report, write_report

pytestmark = pytest.mark.browser

N = 5_000
_IMAGES = 110


_OBSERVE = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
"""
_FRAMES = """() => {
  const gaps = [];
  let last = performance.now();
  const tick = (now) => {
    gaps.push(now - last);
    last = now;
    if (window.ticking !== false) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  return gaps;
}"""


def _long_tasks(page: Any) -> list[int]:
    """Durations of the tasks over 50 ms since the last call, in ms."""
    tasks: list[int] = page.evaluate("() => window.longTasks.splice(0).map(Math.round)")
    return tasks


def test_five_thousand_samples(tmp_path: Path, chromium: Any) -> None:
    for i in range(_IMAGES):
        picture = noise((640, 480), 60).convert("RGB")
        picture.save(tmp_path / f"{i}.jpg", quality=80)
    thought = "The region lies to the left of the person who wears a blue shirt. " * 6
    rows = []
    for i in range(N):
        box = [i % 300, 20, i % 300 + 120, 200]
        text = f"<think>{thought}</think>\n<answer>{box}</answer>"
        answer = None if i % 50 == 7 else [v + i % 90 for v in box]
        rows.append(
            make_row("rec", f"val-{i:05d}", box, text, answer, image=f"{i % _IMAGES}.jpg",
                     image_size=[640, 480], question=f"Where is region {i} of the picture?")
        )  # fmt: skip
    run = write_run(tmp_path / "run", {"val": rows})
    started = time.perf_counter()
    page_file = write_report([run], tmp_path / "page.html", image_root=tmp_path, max_embed_mb=20)
    written = time.perf_counter() - started
    size = page_file.stat().st_size / 1e6

    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(_OBSERVE)
    page.goto(page_file.as_uri())
    page.wait_for_selector("html[data-ready=true]")
    opened = page.evaluate("performance.now()")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.wait_for_timeout(300)
    opening = _long_tasks(page)

    page.locator("#list").scroll_into_view_if_needed()
    box = page.locator("#list").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 200)
    frames = page.evaluate_handle(_FRAMES)
    most = 0
    for step in range(60):
        page.mouse.wheel(0, 120 if step < 30 else 9_000)
        page.wait_for_timeout(16)
        most = max(most, page.locator("[role=option]").count())
    gaps = sorted(page.evaluate("f => { window.ticking = false; return f; }", frames))
    scrolling = _long_tasks(page)

    page.locator("#list").focus()
    page.keyboard.press("End")
    assert page.locator("#detail h3").inner_text().startswith("val-04999")
    assert page.locator("[role=option][aria-selected=true] .id").inner_text() == "val-04999"
    for _ in range(30):
        page.keyboard.press("k")
    assert page.locator("#detail h3").inner_text().startswith("val-04969")
    keys = _long_tasks(page)

    page.fill("#q", "region 4321 ")
    page.get_by_text("1 of 5,000 samples", exact=True).wait_for()
    searching = _long_tasks(page)
    page.fill("#q", "")
    page.wait_for_timeout(300)
    page.select_option("#code", label=f"no_box ({N // 50})")
    assert page.locator("#count").inner_text() == "100 of 5,000 samples"
    filtering = _long_tasks(page)
    context.close()
    middle, longest = gaps[len(gaps) // 2], gaps[-1]
    print(
        f"\n{N} samples, page of {size:.1f} MB written in {written:.1f} s"
        f"\nfirst paint {paint:.0f} ms, ready {opened:.0f} ms"
        f"\nlong tasks (ms): opening {opening}, scrolling {scrolling}, keys {keys}, "
        f"searching {searching}, filtering {filtering}"
        f"\nframes while scrolling: median {middle:.0f} ms, longest {longest:.0f} ms"
        f"\nrows in the document: at most {most}"
    )
    assert 0 < most <= 40


def test_a_report_of_many_samples_states_all_of_them(tmp_path: Path) -> None:
    text = f"{'word ' * 500}<answer>3</answer>"
    rows = [make_row("counting", f"s{i}", 3, text, 3) for i in range(450)]
    report = build_report([write_run(tmp_path / "run", {"val": rows})], tmp_path / "p.html")
    assert report.samples == 450
    assert report.html.count('class="rows"') > 4, "the page parses them in slices"
