"""What a reader does with samples: order, groups, links, zoom, copies, paper."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.test_report_page import CONTRAST
from tests.pictures import noise
from tests.report.recorded_runs import make_row, write_run
from vlreward.report import write_report

pytestmark = pytest.mark.browser

BOX = [10.0, 10.0, 90.0, 60.0]
ASK = "Please provide the bounding box coordinate of the region this sentence describes: "
NAMES = ("apple", "pear", "plum", "fig", "kiwi", "date", "lime", "lemon", "peach")
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine boxes ever further off, of three kinds, and one question with four answers."""
    root = tmp_path_factory.mktemp("use")
    noise((120, 80), 90).convert("RGB").save(root / "a.png")
    rows = []
    for i in range(9):
        box = [v + 7 * i for v in BOX]
        row = make_row(
            "rec", f"s{i}", BOX, f"<think>{'so ' * i}</think><answer>{box}</answer>", box,
            question=f"{ASK}{NAMES[i]} fruit", image="a.png", image_size=[120, 80],
            token_count=100 - i,
        )  # fmt: skip
        rows.append(row | {"metadata": {"kind": ["ripe", "<i>green", "=1+1"][i % 3]}})
    several = [
        make_row("counting", "sum", 3, f"<answer>{said}</answer>", said, question="1 + 2?")
        | {"attempt": k, "raw_answer": said}
        for k, said in enumerate((3, 4, 4, 3))
    ]
    run = write_run(
        root / "run", {"boxes": rows, "sums": several}, image_root="..",
        notes=["WARNING: many answers lie outside", "a remark"],
        references=[{"model": "Published-7B", "acc": 0.9, "n": None, "source": "its paper"}],
    )  # fmt: skip
    return write_report([run], root / "page.html")


def _ids(page: Any) -> str:
    return " ".join(page.locator("[role=option] .id").all_inner_texts())


def _shown(page: Any) -> str:
    text: str = page.locator("#detail h3").inner_text()
    return text.split()[0]


def test_lists_show_what_differs(report: Path, open_page: Open) -> None:
    page, _ = open_page(report, "#s:suite=boxes")
    assert page.locator("[role=option] .q").all_inner_texts()[:2] == ["apple fruit", "pear fruit"]
    assert page.locator("#detail .question").inner_text() == f"{ASK}apple fruit"


def test_any_metric_puts_the_list_in_order(report: Path, open_page: Open) -> None:
    page, watch = open_page(report, "#s:suite=boxes")
    page.select_option("#sort", label="by iou")
    assert _ids(page) == "s8 s7 s6 s5 s4 s3 s2 s1 s0"
    page.get_by_role("button", name="Lowest first").click()
    assert _ids(page).startswith("s0 s1 s2")
    page.select_option("#sort", label="by tokens")
    assert _ids(page).startswith("s0 s1 s2"), "most tokens first"
    page.select_option("#sort", label="by length of the completion")
    assert _ids(page).startswith("s8 s7")
    page.get_by_role("button", name="Highest first").click()
    page.select_option("#suite", label="all")
    page.select_option("#sort", label="by iou")
    assert _ids(page).startswith("s8 s7 s6 s5 s4 s3 s2 s1 s0 sum#0"), (
        "what has no such metric comes last"
    )
    assert watch.errors == []


def test_categories_filter_and_their_plot_leads_to_them(report: Path, open_page: Open) -> None:
    page, watch = open_page(report)
    assert "kind" in page.locator("#category optgroup").get_attribute("label")
    page.select_option("#category", label="<i>green (3)")
    assert _ids(page) == "s1 s4 s7"
    again, _ = open_page(report, page.evaluate("location.hash"))
    assert _ids(again) == "s1 s4 s7"
    page.locator("#reset").click()
    page.locator("#plots svg a", has_text="ripe").click()
    assert _ids(page) == "s0 s3 s6"
    assert "kind\nripe" in page.locator("#detail .facts").first.inner_text()
    page.go_back()
    page.wait_for_timeout(100)
    assert _ids(page).startswith("s0 s1 s2"), "Back leaves the filter"
    assert watch.errors == []


def test_a_link_leads_to_one_sample(report: Path, open_page: Open) -> None:
    page, watch = open_page(report, permissions=["clipboard-read", "clipboard-write"])
    assert page.evaluate("location.hash") == "", "nothing was chosen yet"
    page.locator("[role=option]").nth(4).click()
    page.get_by_role("button", name="Copy the address of this sample").click()
    page.get_by_text("Copied").wait_for()
    address = page.evaluate("navigator.clipboard.readText()")
    assert address == report.as_uri() + "#s:id=s4&of=boxes"
    again, _ = open_page(report, "#" + address.partition("#")[2])
    assert _shown(again) == "s4"
    assert again.locator("[role=option][aria-selected=true] .id").inner_text() == "s4"
    phone, _ = open_page(report, "#s:id=s4", **PHONE)
    assert phone.locator("#detail").is_visible()
    assert _shown(phone) == "s4"
    gone, _ = open_page(report, "#s:id=nothing")
    assert _shown(gone) == "s0"
    assert watch.errors == []


def test_the_back_button_of_a_phone_closes_the_sample(report: Path, open_page: Open) -> None:
    page, watch = open_page(report, **PHONE)
    page.locator("[role=option]").nth(2).tap()
    assert page.locator("#detail").is_visible()
    page.get_by_role("button", name="Next sample").tap()
    assert _shown(page) == "s3"
    page.go_back()
    page.locator("#list").wait_for()
    assert page.url.partition("#")[0] == report.as_uri()
    assert not page.locator("#detail").is_visible()
    page.locator("[role=option]").nth(1).tap()
    page.locator(".back").tap()
    page.locator("#list").wait_for()
    assert page.evaluate("history.length") <= 3, "open and close leave no trail"
    assert watch.errors == []


def test_zoom(report: Path, open_page: Open) -> None:
    page, watch = open_page(report, "#s:suite=boxes")
    page.get_by_role("button", name="Zoom").click()
    picture = page.locator("dialog .picture")
    fit = picture.bounding_box()
    assert fit["width"] > 600
    assert fit["width"] / fit["height"] == pytest.approx(1.5, rel=0.01)
    assert page.locator("dialog .boxes .box").count() == 2
    page.mouse.move(700, 500)
    page.mouse.wheel(0, -400)
    page.keyboard.press("+")
    large = picture.bounding_box()
    assert large["width"] > 3 * fit["width"]
    before = page.locator("dialog .pane").evaluate("e => e.scrollLeft")
    page.mouse.down()
    page.mouse.move(600, 450)
    page.mouse.up()
    assert page.locator("dialog .pane").evaluate("e => e.scrollLeft") == before + 100
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert _shown(page) == "s0", "keys go to the dialog alone"
    page.keyboard.press("z")
    page.get_by_role("button", name="Close").click()
    assert watch.errors == []


def _saved(page: Any, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_selection_is_copied_and_saved(report: Path, open_page: Open) -> None:
    page, watch = open_page(
        report, "#s:suite=boxes&verdict=wrong", permissions=["clipboard-read", "clipboard-write"]
    )
    wrong = _ids(page).split()
    page.get_by_role("button", name="Copy ids").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").split() == wrong
    rows = [json.loads(line) for line in _saved(page, "JSONL").splitlines()]
    assert [row["id"] for row in rows] == wrong
    assert rows[0]["question"].startswith(ASK)
    assert rows[0]["metrics"]["acc@0.5"] == 0
    assert rows[0]["completion"].endswith("</answer>")
    table = list(csv.DictReader(io.StringIO(_saved(page, "CSV"), newline="")))
    assert [row["id"] for row in table] == wrong
    assert {row["kind"] for row in table} == {"ripe", "<i>green", "'=1+1"}, "no cell is a formula"
    assert float(table[0]["iou"]) == pytest.approx(rows[0]["metrics"]["iou"])
    page.get_by_role("button", name="Copy this sample as JSON").click()
    page.locator("#detail").get_by_text("Copied").wait_for()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == rows[0]
    assert watch.errors == []


def test_paper_is_light_and_has_the_samples(report: Path, open_page: Open) -> None:
    page, _ = open_page(report, "#s:suite=boxes&key=kind&value=ripe", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    colour = "e => getComputedStyle(e).color.match(/[0-9]+/g).map(Number)"
    assert dark == "rgb(20, 23, 26)"
    assert max(page.locator("h1").evaluate(colour)) < 60
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".sheet h3").all_inner_texts() == ["s0 boxes", "s3 boxes", "s6 boxes"]
    assert page.locator(".sheet .picture img").count() == 3
    assert page.locator(".sheet").first.is_visible()
    assert not page.locator("#list").is_visible()
    swatch = page.locator("#plots .legend .key").first
    assert swatch.evaluate("e => getComputedStyle(e).printColorAdjust") == "exact"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".sheet").count() == 0
    assert len(page.pdf()) > 20_000


def test_several_answers_to_a_question_stand_together(report: Path, open_page: Open) -> None:
    page, watch = open_page(report, "#s:suite=sums&id=sum%231")
    strip = page.locator("#detail .answers")
    assert "2 of 4 answers right" in strip.inner_text()
    assert "pass@1 0.5, pass@2 0.83, pass@4 1, maj@4 0.5" in strip.inner_text()
    assert strip.locator("button").all_inner_texts() == ["✓ 3", "✗ 4", "✗ 4", "✓ 3"]
    assert strip.locator("[aria-current]").inner_text() == "✗ 4"
    page.locator("#verdict label", has_text="Wrong").click()
    strip.locator("button").nth(3).click()
    assert _shown(page) == "sum#3", "also where the filters hide it"
    page.select_option("#sort", label="by pass@2")
    assert watch.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_wider_than_the_window_or_hard_to_read(
    report: Path, open_page: Open, width: int, scheme: str
) -> None:
    page, watch = open_page(
        report, "#s:id=sum%231", viewport={"width": width, "height": 800},
        color_scheme=scheme,
    )  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    page.evaluate("location.hash = '#s:suite=boxes&id=s3'")
    page.locator("#detail h3", has_text="s3").wait_for()
    picture = page.locator("#detail .picture").bounding_box()
    assert picture["x"] + picture["width"] <= width
    assert page.evaluate(CONTRAST) == []
    table = page.locator("table.summary").evaluate("e => getComputedStyle(e).display")
    assert table == ("block" if width < 800 else "table"), "a table wherever it fits"
    assert watch.errors == []
