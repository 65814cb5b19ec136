"""What a model writes stays text in a real browser."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.conftest import Open
from tests.report.recorded_runs import make_row, write_run
from vlreward.report import write_report

pytestmark = pytest.mark.browser

TEXTS = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "--></style></title></textarea><svg onload=alert(3)>",
    "<img src=x onerror=alert(4)><iframe src=http://example.invalid/></iframe>",
    "<link rel=stylesheet href=http://example.invalid/a.css>",
    "\u2028\u2029 line separators",
    "\u202edesrever\u202c \u2066isolated\u2069",
    "lone \ud800 and \udfff surrogates",
    "quotes \" ' ` and \\ and ${alert(5)} {{ 6 * 7 }}",
    "control \0 \x07 \x1b[31m \r\n end",
    "javascript:alert(7)",
    "é 漢字 😀 \u0301\u0301\u0301",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    rows = []
    for number, text in enumerate(TEXTS):
        row = make_row(
            "geometry", f"{number} {text}".strip(), "1", text, text if number % 2 else None,
            question=text, expression=text, image=text, raw_answer=text,
        )  # fmt: skip
        row["span"] = [1, len(text) - 1] if number % 2 else None
        if row["failure"]:
            row["failure"] |= {"detail": text, "code": f"<b>{number}</b>", "span": [0, 3]}
        row["metadata"] = {key: [key, "other"][number % 2] for key in TEXTS[:9]}
        rows.append(row)
    more: dict[str, Any] = {
        "notes": [f"WARNING: {TEXTS[0]}", TEXTS[4]],
        "references": [{"model": TEXTS[4], "acc": 0.5, "n": None, "source": TEXTS[3]}],
        "model": TEXTS[0],
        "protocol": TEXTS[1],
    }
    runs = [write_run(root / f"<u>{name}", {"<b>suite": rows}, **more) for name in "ab"]
    return write_report(runs, root / "page.html", title=" ".join(TEXTS[:6]))


@pytest.mark.parametrize("address", ["", "#s:run=0&compare=1", "#s:view=grid&q=%3Cscript%3E"])
def test_every_text_is_shown_as_text(hostile: Path, open_page: Open, address: str) -> None:
    page, watch = open_page(hostile, address)
    if not address:
        for number, text in enumerate(TEXTS):
            shown = page.locator("#detail .completion").first.evaluate("e => e.textContent")
            kept = "".join(c for c in text if c.isprintable())
            for part in kept.split("\u0301"):
                assert all(word in shown for word in part.split()), number
            page.keyboard.press("j")
    else:
        page.keyboard.press("j")
    page.wait_for_timeout(300)
    assert (watch.dialogs, watch.errors, watch.requests, watch.files) == ([], [], [], [])
    allowed = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((node) =>
          ["IFRAME", "LINK", "OBJECT", "EMBED", "BASE", "FORM", "U"].includes(node.tagName)
          && node.id !== "filters" || [...node.attributes].some((a) => a.name.startsWith("on"))
        ).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert allowed == []
    assert page.locator("body script:not([type])").count() == 1


def test_hostile_categories_filter_zoom_and_print_as_text(hostile: Path, open_page: Open) -> None:
    page, watch = open_page(hostile)
    groups = page.locator("#category optgroup").evaluate_all("n => n.map(e => e.label)")
    assert len(groups) == 8
    assert "U+202Edesrever U+202C U+2066isolatedU+2069".replace(" U+202C ", "U+202C ") in groups
    for at in range(len(groups)):
        page.locator("#category").select_option(index=1 + 2 * at)
        assert 0 < page.locator("[role=option]").count() < len(TEXTS), groups[at]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".sheet").count() > 0
    page.locator("#plots svg a").first.click()
    assert (watch.dialogs, watch.errors, watch.requests, watch.files) == ([], [], [], [])


def test_marks_lie_on_the_right_characters(tmp_path: Path, open_page: Open) -> None:
    text = "😀😀 <answer>\U0001d7d7 \ud800cm</answer>"
    row = make_row("geometry", "s", "9", text, "9")
    row["span"] = [text.index(">") + 1, text.index("</")]
    run = write_run(tmp_path / "r", {"v": [row]})
    page, _ = open_page(write_report([run], tmp_path / "p.html"))
    assert page.locator("mark.answer").evaluate("e => e.textContent") == "\U0001d7d7 U+D800cm"


def test_hidden_characters_are_named(hostile: Path, open_page: Open) -> None:
    page, _ = open_page(hostile, f"#s:id={quote(f'7 {TEXTS[7]}')}")
    named = page.locator("#detail .completion .ctl").all_inner_texts()
    assert named == ["U+202E", "U+202C", "U+2066", "U+2069"]


def test_a_very_long_completion_is_cut_until_asked_for(tmp_path: Path, open_page: Open) -> None:
    text = "\u202e" * 30_000 + "word " * 30_000
    run = write_run(tmp_path / "r", {"v": [make_row("geometry", "s", "1", text, None)]})
    page, _ = open_page(write_report([run], tmp_path / "p.html"))
    shown = page.locator("#detail .completion")
    assert shown.inner_text() == "U+202E ×4000"
    page.get_by_role("button", name="Show all 180,000 characters").click()
    assert len(shown.inner_text()) > 140_000
    assert page.locator("#detail .completion .ctl").all_inner_texts() == ["U+202E ×30000"]


def test_injected_markup_would_not_run(hostile: Path, open_page: Open) -> None:
    """Even if a text got into the page as markup, the policy stops it."""
    page, watch = open_page(hostile)
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    tried = page.evaluate(
        """(address) => {
          const script = document.createElement("script");
          const image = document.createElement("img");
          image.src = address;
          document.body.append(image, script);
          return [
            () => { document.body.innerHTML += "<img src=x onerror=alert(1)>"; },
            () => { script.textContent = "alert(2)"; },
            () => { image.setAttribute("onerror", "alert(3)"); },
          ].map((attempt) => { try { attempt(); } catch (error) { return error.name; } });
        }""",
        f"http://127.0.0.1:{server.getsockname()[1]}/x.png",
    )
    page.wait_for_timeout(200)
    assert tried == ["TypeError"] * 3
    assert watch.dialogs == []
    with server, pytest.raises(BlockingIOError):
        server.accept()  # nobody has called
    assert any("Content Security Policy" in error for error in watch.errors)
