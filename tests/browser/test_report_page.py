"""The report in a real browser, opened from disk: filters, search, keyboard, comparison."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.pictures import noise
from tests.report.recorded_runs import make_row, write_run
from vlreward.report import write_report

pytestmark = pytest.mark.browser

BOX = [10.0, 10.0, 90.0, 60.0]


def _rec(name: str, box: list[float] | None, text: str = "") -> dict[str, Any]:
    closed = f"<answer>{box or 'nothing'}</answer>"
    return make_row(
        "rec", name, BOX, f"<think>{text}</think>{closed}", box, question=f"Where is {name}?",
        image="a.png", image_size=[120, 80],
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of two suites; 6 REC rows (3 right, 1 failed) and 12 counting rows."""
    root = tmp_path_factory.mktemp("report")
    noise((120, 80), 90).convert("RGB").save(root / "a.png")
    far = [100.0, 70.0, 110.0, 78.0]
    a = [_rec("apple", BOX), _rec("pear", far, "Häuser 🍐"), _rec("plum", None),
         _rec("fig", BOX), _rec("kiwi", BOX), _rec("only-a", far)]  # fmt: skip
    b = [_rec("apple", BOX), _rec("pear", BOX), _rec("plum", BOX),
         _rec("fig", far), _rec("kiwi", BOX), _rec("only-b", far)]  # fmt: skip
    counts = [
        make_row("counting", f"c-{i:02d}", i, f"<answer>{i + i % 2}</answer>", i + i % 2)
        for i in range(12)
    ]
    runs = [
        write_run(root / name, {"fruit": rows, "counts": counts})
        for name, rows in (("first", a), ("second", b))
    ]
    return write_report(runs, root / "page.html", image_root=root)


def _count(page: Any) -> str:
    text: str = page.locator("#count").inner_text()
    return text


def _ids(page: Any) -> list[str]:
    found: list[str] = page.locator("[role=option] .id").all_inner_texts()
    return found


def _image_width(page: Any) -> int:
    image = page.locator("#detail .picture img")
    width: int = image.evaluate("i => i.decode().then(() => i.naturalWidth)")
    return width


def _shown(page: Any) -> str:
    text: str = page.locator("#detail h3").inner_text()
    return text.split()[0]


def test_it_opens_from_disk_without_a_complaint(report: Path, open_page: Open) -> None:
    page, watch = open_page(report)
    assert _count(page) == "18 of 18 samples"
    assert page.title() == "vlreward report"
    assert _image_width(page) == 120
    assert (watch.errors, watch.dialogs, watch.requests, watch.files) == ([], [], [], [])


def test_filters(report: Path, open_page: Open) -> None:
    page, watch = open_page(report)
    page.select_option("#suite", label="fruit")
    assert _count(page) == "6 of 6 samples"
    page.locator("#verdict label", has_text="Right").click()
    assert _ids(page) == ["apple", "fig", "kiwi"]
    page.locator("#verdict label", has_text="Wrong").click()
    assert _ids(page) == ["pear", "plum", "only-a"]
    page.select_option("#code", label="no_box (1)")
    assert _ids(page) == ["plum"]
    assert page.locator("#detail .failure code").inner_text() == "no_box"
    assert page.locator("#detail mark.fault").inner_text() == "nothing"
    page.select_option("#code", label="no failure")
    assert _ids(page) == ["pear", "only-a"]
    page.locator("#verdict label", has_text="Right").click()
    page.select_option("#code", label="any failure")
    assert _count(page) == "0 of 6 samples"
    assert page.locator("#detail").inner_text() == "No sample fits these filters."
    page.locator("#reset").click()
    assert _count(page) == "18 of 18 samples"
    page.select_option("#run", label="second")
    page.select_option("#suite", label="fruit")
    assert "only-b" in _ids(page)
    page.select_option("#sort", value="reward")
    assert _ids(page)[:2] == ["fig", "only-b"]
    assert watch.errors == []


def test_search(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    for words, expected in (
        ("häuser", ["pear"]),
        ("WHERE 🍐", ["pear"]),
        ("where is kiwi", ["kiwi"]),
        ("nothing</answer>", ["plum"]),
        ("<script>", []),
    ):
        page.fill("#q", words)
        page.wait_for_timeout(200)
        assert _ids(page) == expected, words
    assert page.locator("#detail").inner_text() == "No sample fits these filters."


def test_keyboard(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the samples"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("where jk")
    assert page.input_value("#q") == "where jk", "letters are text while typing"
    page.keyboard.press("Escape")
    assert page.input_value("#q") == ""
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "list"
    ring = page.locator("#list").evaluate("e => getComputedStyle(e).outline")
    assert "solid 3px" in ring, "the focus is visible"
    assert _shown(page) == "apple"
    shown = []
    for key in ("j", "j", "k", "ArrowDown", "ArrowDown", "ArrowUp", "End", "j", "Home", "k"):
        page.keyboard.press(key)
        shown.append(_shown(page))
    assert " ".join(shown) == "pear plum pear plum fig plum c-11 c-11 apple apple"
    active = page.locator("#list").get_attribute("aria-activedescendant")
    option = page.locator(f"#{active}")
    assert option.get_attribute("aria-selected") == "true"
    assert option.get_attribute("aria-posinset") == "1"
    assert option.get_attribute("aria-setsize") == "18"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "detail"
    page.keyboard.press("ArrowRight")
    assert _shown(page) == "pear"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list"


def test_every_control_has_a_name_and_a_place_in_the_tab_order(
    report: Path, open_page: Open
) -> None:
    page, _ = open_page(report)
    snapshot = page.locator("#samples").aria_snapshot()
    for named in ('searchbox "Search"', 'combobox "Suite"', 'combobox "Run"',
                  'combobox "Compare with"', 'combobox "Failure code"', 'combobox "Order"',
                  'group "Result"', 'radio "All 18"', 'group "View"', 'radio "Gallery"',
                  'listbox "Samples"', 'article "Sample"', 'button "Next sample"'):  # fmt: skip
        assert named in snapshot, named
    assert not re.search(r"- (button|link|combobox|radio|searchbox)\s*$", snapshot, re.MULTILINE)
    page.locator("#q").focus()
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert reached[:7] == ["suite", "run", "compare", "code", "sort", "verdict", "copy"]


def test_filters_keep_the_focus(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    page.locator("#verdict input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "right"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "wrong"
    assert _count(page) == "9 of 18 samples"


def test_comparison(report: Path, open_page: Open) -> None:
    page, watch = open_page(report)
    card = page.locator(".card", has_text="fruit")
    assert card.locator(".two td a").all_inner_texts() == [
        "2\nboth right", "1\nbroken", "2\nfixed", "0\nboth wrong",
    ]  # fmt: skip
    card.locator("a", has_text="fixed").click()
    assert _ids(page) == ["pear", "plum"]
    assert page.locator("#verdict label").all_inner_texts() == [
        "All 7", "Fixed 2", "Broken 1", "Both right 2", "Both wrong 0", "Unpaired 2",
    ]  # fmt: skip
    assert page.locator("#detail .side h4").all_inner_texts() == [
        "A\nfirst\n✗ wrong", "B\nsecond\n✓ right",
    ]  # fmt: skip
    sides = page.locator("#detail .side").evaluate_all(
        "n => n.map(e => e.getBoundingClientRect()).map(r => [r.top, r.left, r.right])"
    )
    assert sides[0][0] == sides[1][0], "side by side"
    assert sides[0][2] <= sides[1][1]
    kinds = page.locator("#detail .boxes .box").evaluate_all("n => n.map(e => e.classList[1])")
    assert kinds == ["gold", "a", "b"]
    page.locator("#verdict label", has_text="Broken").click()
    assert _ids(page) == ["fig"]
    page.locator("#verdict label", has_text="Unpaired").click()
    assert _ids(page) == ["only-a", "only-b"]
    assert "This run does not have the sample." in page.locator("#detail").inner_text()
    page.select_option("#compare", label="no other run")
    assert _count(page) == "6 of 6 samples"
    assert watch.errors == []


def test_an_address_keeps_the_view(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    page.locator("a.chip", has_text="no_box").first.click()
    assert _ids(page) == ["plum"]
    address = page.evaluate("location.hash")
    again, _ = open_page(report, address)
    assert _ids(again) == ["plum"]
    odd = "#s:run=99&compare=x&suite=%3Cb%3E&pair=toString&code=%3Ci%3E&sort=1"
    page, watch = open_page(report, odd)
    assert _count(page) == "0 of 18 samples"
    assert watch.errors == []


def test_boxes_lie_where_the_numbers_say(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    frame = page.locator("#detail .picture").bounding_box()
    assert frame["width"] / frame["height"] == pytest.approx(120 / 80, rel=0.01)
    rect = page.locator("#detail .boxes .box.gold").evaluate(
        "e => { const b = e.getBBox(), m = e.getScreenCTM();"
        " return [b.x, b.y, b.x + b.width, b.y + b.height].map((v, i) =>"
        " i % 2 ? v * m.d + m.f : v * m.a + m.e); }"
    )
    scale = frame["width"] / 120
    expected = [frame["x"] + BOX[0] * scale, frame["y"] + BOX[1] * scale,
                frame["x"] + BOX[2] * scale, frame["y"] + BOX[3] * scale]  # fmt: skip
    assert rect == pytest.approx(expected, abs=1)
    styles = page.locator("#detail .boxes .box").evaluate_all(
        "n => n.map(e => [getComputedStyle(e).stroke, getComputedStyle(e).strokeDasharray])"
    )
    assert styles[0][1] == "none"
    assert styles[1][1] != "none", "gold and predicted differ in more than colour"
    assert styles[0][0] != styles[1][0]


def test_any_shapes_are_drawn_where_they_are(tmp_path: Path, open_page: Open) -> None:
    """A detection with two golds, a click into a polygon, and one into a circle."""
    noise((120, 80), 90).convert("RGB").save(tmp_path / "a.png")
    many: dict[str, Any] = {"task": "detection", "boxes": [[10, 10, 40, 40], [60, 20, 110, 70]],
            "labels": ["cat", "<b>dog"]}  # fmt: skip
    corners = [[20, 10], [90, 15], [60, 70]]
    golds: dict[str, tuple[dict[str, Any], Any]] = {
        "many": (many, [[[12, 10, 40, 38], "cat"]]),
        "polygon": ({"task": "pointing", "polygon": corners}, [110, 60]),
        "circle": ({"task": "pointing", "point": [30, 40], "radius": 12}, [35, 45]),
    }
    suites: dict[str, list[dict[str, Any]]] = {"detection": [], "pointing": []}
    for name, (gold, answer) in golds.items():
        row = make_row("counting", name, 0, "<answer>x</answer>", answer, right=False)
        row |= {"task": gold["task"], "gold": gold, "image": "a.png", "image_size": [120, 80]}
        suites[str(gold["task"])].append(row)
    run = write_run(tmp_path / "run", suites)
    page, watch = open_page(write_report([run], tmp_path / "p.html", image_root=tmp_path))
    drawn = "n => n.map(e => `${e.localName} ${e.classList[1]}`)"
    tags = page.locator("#detail .tag").all_inner_texts()
    assert page.locator("#detail .boxes .box").evaluate_all(drawn) == [
        "rect gold", "rect gold", "rect a"
    ]  # fmt: skip
    assert tags == ["gold cat", "<b>dog", "predicted cat"]
    for name, shape in (("polygon", "polygon gold"), ("circle", "circle gold")):
        page.locator("[role=option]", has_text=name).click()
        assert page.locator("#detail .boxes .box").evaluate_all(drawn) == [shape, "path a"]
        frame = page.locator("#detail .picture").bounding_box()
        dot = page.locator("#detail .boxes .a.point")
        x, y = (float(v) for v in re.findall(r"[\d.]+", dot.get_attribute("d"))[:2])
        assert [x, y] == golds[name][1]
        assert dot.evaluate("e => getComputedStyle(e).strokeLinecap") == "round"
        tag = page.locator("#detail .tag.a").bounding_box()
        assert frame["x"] <= tag["x"]
        assert tag["x"] + tag["width"] <= frame["x"] + frame["width"], "the name is not cut"
    assert watch.errors == []


def test_the_gallery_and_a_phone_show_one_thing_at_a_time(report: Path, open_page: Open) -> None:
    page, _ = open_page(report)
    page.locator("#layout label", has_text="Gallery").click()
    tops = page.locator("[role=option]").evaluate_all("n => n.map(e => e.offsetTop)")
    assert tops.count(tops[0]) > 3, "several tiles in a row"
    assert not page.locator("#detail").is_visible()
    page.locator("[role=option]").nth(2).click()
    assert _shown(page) == "plum"
    assert not page.locator("#list").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#list").is_visible()

    phone, watch = open_page(report, viewport={"width": 360, "height": 740}, has_touch=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360, "no sideways scrolling"
    phone.locator("[role=option]").nth(1).tap()
    assert _shown(phone) == "pear"
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    phone.locator(".back").tap()
    assert phone.locator("#list").is_visible()
    assert watch.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(report: Path, open_page: Open, scheme: str) -> None:
    """At least 4.5 to 1 (WCAG 2.2, 1.4.3) between each text and the nearest opaque ground."""
    page, _ = open_page(report, "#s:run=0&compare=1", color_scheme=scheme)
    low = page.evaluate(CONTRAST)
    assert low == []


# Texts below 4.5 to 1.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !node.checkVisibility()) continue;
    if (node.closest("script, style, svg, button:disabled")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const where = `${node.tagName}.${node.className}`;
    if (ratio < 4.5) low.push(`${where} ${ratio.toFixed(2)}: ${text.slice(0, 30)}`);
  }
  return [...new Set(low)];
}"""


def test_images_beyond_the_limit_load_from_disk_or_say_so(
    report: Path, open_page: Open, tmp_path: Path
) -> None:
    root = report.parent
    linked = write_report([root / "first"], root / "linked.html", image_root=root, max_embed_mb=0)
    page, watch = open_page(linked)
    assert _image_width(page) == 120
    assert "Not embedded (size limit); loaded from ./a.png" in page.locator("#detail").inner_text()
    assert set(watch.files) == {(report.parent / "a.png").as_uri()}
    assert watch.errors == []
    moved = tmp_path / "moved.html"
    moved.write_bytes(linked.read_bytes())
    page, _ = open_page(moved)
    page.wait_for_timeout(200)
    assert "cannot be loaded from ./a.png" in page.locator("#detail").inner_text()
    assert page.locator("#detail .boxes .box").count() == 2, "boxes are drawn without the image"


def test_without_scripts_the_numbers_are_there(report: Path, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("table.summary tbody").count() == 4
    assert page.locator("svg.chart").count() == 10
    assert "scripts are switched off" in page.locator("#samples").inner_text()
    context.close()
