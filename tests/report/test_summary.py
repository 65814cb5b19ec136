"""What stands on the summary, and what is no warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.bench.cli import demo
from vlreward.bench.run_files import SampleRow
from vlreward.report import build_report
from vlreward.report.categories import categories, category_keys, shared_ends
from vlreward.report.load import load_runs
from vlreward.report.plots import figures

BOX = [10.0, 10.0, 90.0, 60.0]


def _section(html: str, name: str) -> str:
    return html.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def test_metrics_warnings_notes_and_published_numbers_stand_on_the_summary(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        {"val": [make_row("rec", "1", BOX, "<answer></answer>", BOX)]},
        metrics={"acc@0.5": 1.0, "mae": 3.25},
        metrics_n={"acc@0.5": 1, "mae": 1},
        notes=["WARNING: 314 of 4604 answers lie outside", "a draw of <more> than there are"],
        references=[{"model": "Published-7B", "acc": 0.886, "n": 1200, "source": "its paper"}],
    )
    html = build_report([run], tmp_path / "p.html").html
    summary = _section(html, "summary")
    assert "<dt>mae</dt><dd>3.25</dd>" in summary
    assert '<p class="warning"><b aria-label="Warning">⚠</b> 314 of 4604 answers' in summary
    assert "<li>a draw of &lt;more&gt; than there are</li>" in summary
    assert "published, Published-7B" in summary
    assert "88.6 %" in summary
    assert "n = 1,200, its paper" in summary
    assert summary.count('<line class="ref"') == 1
    assert "&#34;model&#34;" not in html, "no JSON is shown for references"


def test_a_mean_over_fewer_samples_says_over_how_many(tmp_path: Path) -> None:
    rows = [make_row("rec", str(i), BOX, "<answer></answer>", BOX) for i in range(3)]
    run = write_run(tmp_path / "run", {"val": rows}, metrics={"mae": 1.0}, metrics_n={"mae": 2})
    summary = _section(build_report([run], tmp_path / "p.html").html, "summary")
    assert "<dt>mae</dt><dd>1 <small>n = 2</small></dd>" in summary


def test_the_demo_warns_of_nothing_that_nobody_can_act_on(tmp_path: Path) -> None:
    demo(tmp_path / "demo", recorded=True)
    html = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert 'class="notes" role="note"' not in html
    assert "--image-root" not in _section(html, "samples")
    assert "images that did not come with them" in _section(html, "summary")


def test_names_of_another_machine_are_no_warning(tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"")
    names = ("/home/somebody/images/0.png", str(tmp_path / "here.png"))
    rows = [make_row("rec", name, BOX, "<answer></answer>", BOX, image=name) for name in names]
    report = build_report([write_run(tmp_path / "run", {"val": rows})], tmp_path / "p.html")
    (note,) = report.notes
    assert note.startswith(f"image outside the image root: 1 ({names[1]})"), "an option helps"
    assert "name 1 images that did not come with them" in report.html


def test_images_that_should_be_there_are_still_a_warning(tmp_path: Path) -> None:
    rows = [make_row("rec", "1", BOX, "<answer></answer>", BOX, image="gone.jpg")]
    run = write_run(tmp_path / "run", {"val": rows}, image_root="../images")
    report = build_report([run], tmp_path / "p.html")
    assert report.notes == ["image not found: 1 (gone.jpg); give the right --image-root"]


@pytest.mark.parametrize(
    ("texts", "ends"),
    [
        (["Find the region of: a cat.", "Find the region of: a dog."], (22, 0)),
        (["Where is the cat in the picture?", "Where is a dog in the picture?"], (0, 16)),
        (["a cat", "a dog"], (0, 0)),
        (["the same words here", "the same words here"], None),
        (["one of them"], None),
        ([], None),
        (["", "Find the region of: a dog."], (0, 0)),
        (["words and words ", "words and words and words "], (16, 0)),
    ],
)
def test_what_is_the_same_in_all_questions(texts: list[str], ends: tuple[int, int] | None) -> None:
    assert shared_ends(texts) == ends


def _meta(n: int, **of: Any) -> list[SampleRow]:
    rows = []
    for i in range(n):
        row = make_row("counting", str(i), 1, "<answer>1</answer>", 1 if i % 2 else 2)
        metadata = {key: make(i) for key, make in of.items()}
        rows.append(SampleRow.model_validate(row | {"metadata": metadata}))
    return rows


def test_categories_are_what_puts_samples_into_groups() -> None:
    rows = _meta(
        30,
        subject=lambda i: ["algebra", "geometry"][i % 2],
        hard=lambda i: i % 3 == 0,
        url=lambda i: f"https://example.org/{i}",
        split=lambda _: "test",
        inner=lambda i: {"grade": i % 5, "deep": {"er": i % 2}},
        area=lambda i: float(i % 3),
        long=lambda i: "x" * 500 if i % 2 else "y" * 500,
    )
    assert category_keys(rows) == ["subject", "hard", "inner.grade"]
    assert categories(rows[3]) == {
        "subject": "geometry", "hard": "true", "url": "https://example.org/3", "split": "test",
        "inner.grade": "3",
    }  # fmt: skip


def test_accuracy_is_plotted_by_category(tmp_path: Path) -> None:
    rows = [
        make_row("counting", str(i), 1, "<answer>1</answer>", 1 if i % 4 else 2)
        | {"metadata": {"subject": ["<b>", "geometry"][i % 2]}}
        for i in range(40)
    ]
    (run,) = load_runs([write_run(tmp_path / "run", {"val": rows})])
    figure = figures(run.suites["val"])[-1]
    assert figure.title == "Accuracy by subject"
    assert figure.rows == [
        ("<b>", "20", "50.0 %", "29.9 % to 70.1 %"),
        ("geometry", "20", "100.0 %", "83.9 % to 100.0 %"),
    ]
    assert 'href="#s:suite=val&amp;key=subject&amp;value=%3Cb%3E"' in figure.svg


def test_compare_shows_what_differs_between_questions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlreward.bench.compare import print_comparison

    ask = "Please provide the bounding box coordinate of the region this sentence describes: "
    things = ("a cat", "the dog")
    for name, answers in (("a", (BOX, None)), ("b", (None, BOX))):
        rows = [
            make_row("rec", thing, BOX, "<answer></answer>", answer, question=ask + thing)
            for thing, answer in zip(things, answers)
        ]
        write_run(tmp_path / name, {"val": rows})
    print_comparison(tmp_path / "a", tmp_path / "b")
    said = capsys.readouterr().out
    assert "broken a cat: [10.0, 10.0, 90.0, 60.0] -> None  a cat\n" in said
    assert "Please provide" not in said


def test_compare_keeps_its_numbers_at_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlreward.bench.compare import print_comparison

    monkeypatch.setenv("COLUMNS", "80")
    name = "superclevr_test200_of_a_long_name"
    for run, answers in (("a", [BOX, None] * 600), ("b", [None, BOX] * 600)):
        rows = [
            make_row("rec", str(i), BOX, "<answer></answer>", answer)
            for i, answer in enumerate(answers)
        ]
        write_run(tmp_path / run, {name: rows})
    print_comparison(tmp_path / "a", tmp_path / "b", show=0)
    table = capsys.readouterr().out.split("note:")[0]
    assert " n " in table.splitlines()[1]
    assert " 1200 " in table
    assert table.count(" 600") == 2
    assert "\u2026" not in table
