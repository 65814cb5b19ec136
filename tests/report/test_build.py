"""The finished page, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tests.pictures import noise
from tests.report.recorded_runs import make_row, recorded_run, write_run
from vlreward.errors import OptionError
from vlreward.report import ReportError, build_report, write_report
from vlreward.report.samples import page_data

HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> ]]> "
    "\u2028\u2029 \u202edesrever\u202c \ud800 \0 &lt; \" ' ` ${x} {{ x }} {% x %}"
)


class _Page(HTMLParser):
    """Elements, attributes and the text of each script, as an HTML parser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[0] == "script":
            self.scripts.append((self._open[1], data))
        elif self._open:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def _hostile_run(tmp_path: Path) -> Path:
    row = make_row("geometry", HOSTILE, "1", HOSTILE, HOSTILE, question=HOSTILE, image=HOSTILE)
    row["failure"] = {"code": "<b>code", "detail": HOSTILE, "span": [0, 5]}
    row |= {"raw_answer": [HOSTILE], "expression": HOSTILE}
    names = ("model", "protocol", "prompt", "frame", "file")
    more: dict[str, Any] = dict.fromkeys(names, HOSTILE)
    more["notes"] = [HOSTILE.replace("\ud800", "")]
    return write_run(tmp_path / "run", {"<i>val": [row]}, **more)


def _rows_of(page: _Page) -> list[dict[str, Any]]:
    chunks = [json.loads(text) for attrs, text in page.scripts if attrs.get("class") == "rows"]
    return [row for chunk in chunks for row in chunk]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    out = write_report([_hostile_run(tmp_path)], tmp_path / "p.html", title=HOSTILE)
    page = _Page(out.read_bytes().decode("utf-8"))
    kinds = [attrs.get("type") for attrs, _ in page.scripts]
    assert kinds == ["application/json", "application/json", None]
    (row,) = _rows_of(page)
    assert row["c"] == row["q"] == row["id"] == HOSTILE
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object", "link")]
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_the_policy_admits_this_script_and_this_style_only(tmp_path: Path) -> None:
    html = build_report([_hostile_run(tmp_path)], tmp_path / "p.html").html
    page = _Page(html)
    (policy,) = [
        attrs["content"] or "" for tag, attrs in page.elements
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    script = next(text for attrs, text in page.scripts if not attrs)
    for kind, text in (("script", script), ("style", page.styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "img-src data:;" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(src|href)=\"(https?:)?//", html)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [make_row("counting", f"s{i}", 3, "<answer>3</answer>", 3) for i in range(5)]
    for i, row in enumerate(rows):
        noise((40, 30), 50 + i).save(tmp_path / f"{i}.png")
        row["image"] = f"{i}.png"
    run = write_run(tmp_path / "run", {"b": rows, "a": rows})
    code = (
        "import sys; from pathlib import Path; from vlreward.report import write_report; "
        "write_report([Path(sys.argv[1])], Path(sys.argv[2]), image_root=Path(sys.argv[3]))"
    )
    pages = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.html"
        command = [sys.executable, "-c", code, str(run), str(out), str(tmp_path)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        pages.append(out.read_bytes())
    assert pages[0] == pages[1]
    assert str(tmp_path).encode() not in pages[0], "the page names no directory of this machine"


def test_the_size_limit_bounds_the_page(tmp_path: Path) -> None:
    rows = []
    for i in range(12):
        name = f"{i}.jpg"
        noise((300, 200), 90).convert("RGB").save(tmp_path / name)
        rows.append(make_row("counting", f"s{i}", 3, "<answer>3</answer>", 3 + i % 2, image=name))
    run = write_run(tmp_path / "run", {"val": rows})
    bare = build_report([run], tmp_path / "p.html", image_root=tmp_path, max_embed_mb=0)
    report = build_report([run], tmp_path / "p.html", image_root=tmp_path, max_embed_mb=0.15)
    assert 0 < report.embedded_bytes <= 150_000
    assert len(report.html) <= len(bare.html) + 150_000
    assert report.html.count("data:image/") == report.images_embedded
    assert any("images are embedded" in note for note in report.notes)
    page = _Page(report.html)
    index = json.loads(next(t for a, t in page.scripts if a.get("id") == "index"))
    embedded = {image["name"] for image in index["images"] if "i" in image}
    wrong = {row["image"] for row in rows if row["answer"] != 3}
    assert embedded <= wrong or wrong <= embedded, "wrong samples are embedded first"


def test_relative_images_never_leave_the_image_root(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    root = tmp_path / "root"
    root.mkdir()
    row = make_row("counting", "s", 3, "<answer>3</answer>", 3, image="x/../../secret.png")
    run = write_run(tmp_path / "run", {"val": [row]})
    report = build_report([run], tmp_path / "p.html", image_root=root)
    assert report.images_embedded == 0
    assert "image outside the image root: 1 (x/../../secret.png)" in report.notes[0]


def test_absolute_images_outside_the_image_root_are_shown_only_when_asked_for(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (9, 9)).save(secret)
    (tmp_path / "root").mkdir()
    inside = tmp_path / "root" / "a.png"
    Image.new("RGB", (9, 9)).save(inside)
    rows = [
        make_row("counting", f"s{i}", 3, "<answer>3</answer>", 3, image=str(path))
        for i, path in enumerate((secret, inside))
    ]
    run = write_run(tmp_path / "run", {"val": rows})
    for root, shown in ((tmp_path / "root", 1), (None, 0)):
        report = build_report([run], tmp_path / "p.html", image_root=root)
        assert report.images_embedded == shown
        assert report.notes[0].startswith(f"image outside the image root: {2 - shown} (")
        assert "--absolute-images" in report.notes[0]
        report = build_report([run], tmp_path / "p.html", image_root=root, absolute_images=True)
        assert (report.images_embedded, report.notes) == (2, [])


def test_an_image_that_breaks_its_decoder_is_a_placeholder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    for name, size in (("good.png", 4), ("bad.png", 5)):
        Image.new("RGB", (size, size)).save(tmp_path / name)
        rows.append(make_row("counting", name, 3, "<answer>3</answer>", 3, image=name))
    run = write_run(tmp_path / "run", {"val": rows})
    whole = PngImagePlugin.PngImageFile.load

    def load(image: PngImagePlugin.PngImageFile) -> Any:
        if image.width == 5:
            raise RuntimeError("decoder gave up")
        return whole(image)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    report = build_report([run], tmp_path / "p.html", image_root=tmp_path)
    assert report.images_embedded == 1
    assert report.notes[0] == (
        "image cannot be read: 1 (bad.png (decoder gave up)); check the files"
    )
    assert str(tmp_path) not in report.html


def test_arguments(tmp_path: Path) -> None:
    run = _hostile_run(tmp_path)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="expected max_embed_mb >= 0"):
            write_report([run], tmp_path / "p.html", max_embed_mb=wrong)
    with pytest.raises(OptionError, match="expected a file to write, got the directory"):
        write_report([run], tmp_path)
    with pytest.raises(OptionError, match="expected a directory as image root"):
        write_report([run], tmp_path / "p.html", image_root=tmp_path / "gone")


def test_an_error_leaves_the_old_page_alone(tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    out.write_text("old")
    with pytest.raises(ReportError):
        write_report([tmp_path / "gone"], out)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]


def test_a_run_without_sample_files_still_has_its_summary(tmp_path: Path) -> None:
    run = _hostile_run(tmp_path)
    next(run.glob("samples_*")).unlink()
    html = build_report([run], tmp_path / "p.html").html
    assert "hold no sample files" in html
    assert "<strong>0.0 %</strong>" in html
    assert "is missing, so the samples and plots" in html
    assert "<script" not in html


def test_recorded_runs(tmp_path: Path, shared_data: Path) -> None:
    runs = [
        write_run(tmp_path / flavour, recorded_run(shared_data, flavour))
        for flavour in ("baseline", "grpo")
    ]
    report = build_report(runs, tmp_path / "p.html", image_root=shared_data / "images")
    assert report.samples == 2 * (500 + 3 + 200 + 10) + 754
    assert report.images_embedded == 11
    assert report.notes == []
    keys = {key for row in _rows_of(_Page(report.html)) for key in row}
    assert keys <= set(re.findall(r"`(\w+)`", page_data.__doc__ or ""))
    # The accuracies that the authors of the recordings state.
    for accuracy in ("89.4 %", "90.6 %", "48.0 %", "80.0 %", "30.6 %"):
        assert f"<strong>{accuracy}</strong>" in report.html


def test_a_row_of_several_images_shows_all(tmp_path: Path) -> None:
    names = ["0.png", "1.png", "2.png"]
    for i, name in enumerate(names):
        noise((40, 30), 50 + i).save(tmp_path / name)
    rows = [make_row("counting", "s", 3, "<answer>3</answer>", 3, image="1.png", images=names)]
    run = write_run(tmp_path / "run", {"a": rows})
    page = write_report([run], tmp_path / "page.html", image_root=tmp_path)
    text = Path(page).read_text(encoding="utf-8")
    assert text.count("data:image/") >= 3
    assert '"ims":[' in text.replace(" ", "")
