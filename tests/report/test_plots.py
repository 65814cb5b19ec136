"""Figures: what they count, checked against counts made here."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.recorded_runs import make_row, write_run
from vlreward.report.drawing import area
from vlreward.report.load import SuiteRun, load_runs
from vlreward.report.plots import figures
from vlreward.report.svg import Bar, Figure, bar_chart, row_chart
from vlreward.task import Shape

Row = dict[str, Any]


def _suite(tmp_path: Path, rows: list[Row]) -> SuiteRun:
    (run,) = load_runs([write_run(tmp_path / "run", {"val": rows})])
    return run.suites["val"]


def _figures(tmp_path: Path, rows: list[Row]) -> dict[str, Figure]:
    made = {figure.title: figure for figure in figures(_suite(tmp_path, rows))}
    for figure in made.values():
        drawing = ET.fromstring(str(figure.svg))
        assert drawing.get("role") == "img"
        assert drawing.get("aria-label")
        assert all(len(row) == len(figure.head) for row in figure.rows)
    return made


def _rec_rows(n: int) -> list[Row]:
    rng = random.Random(7)
    rows = []
    for i in range(n):
        side = rng.choice([10, 40, 100, 500])
        shift = rng.random() * side
        box = [shift, 0.0, shift + side, float(side)] if rng.random() < 0.9 else None
        rows.append(make_row("rec", f"s{i}", [0, 0, side, side], "<answer></answer>", box))
    return rows


def test_rec_figures_count_every_sample_once(tmp_path: Path) -> None:
    rows = _rec_rows(200)
    made = _figures(tmp_path, rows)
    found = [r["metrics"]["iou"] for r in rows if r["failure"] is None]
    expected, _ = np.histogram(found, bins=np.linspace(0, 1, 11))
    counts = [int(row[1]) for row in made["Samples by IoU"].rows]
    assert counts[:-1] == expected.tolist()
    assert sum(counts) == 200
    assert counts[-1] == sum(r["failure"] is not None for r in rows)
    by_size = {row[0]: row for row in made["Accuracy by size of the gold"].rows}
    for name, side in (("0–32", 10), ("32–64", 40), ("96–128", 100), ("≥ 384", 500)):
        hits = [r["metrics"]["acc@0.5"] for r in rows if r["gold"]["box"][2] == side]
        assert int(by_size[name][1]) == len(hits)
        assert by_size[name][2] == f"{100 * sum(hits) / len(hits):.1f} %"
    assert by_size["64–96"][1:] == ("0", "–", "–")
    outcomes = {row[0]: int(row[1]) for row in made["Outcomes"].rows}
    assert sum(outcomes.values()) == 200
    assert outcomes["no_box"] == counts[-1]


def test_a_gold_in_another_frame_is_measured_in_original_pixels(tmp_path: Path) -> None:
    row = make_row("rec", "s", [0, 0, 1000, 1000], "<answer></answer>", [0, 0, 50, 50])
    row |= {"gold": {"task": "rec", "box": [0, 0, 1000, 1000], "frame": "norm1000"}}
    row |= {"image_size": [50, 50]}
    table = _figures(tmp_path, [row])["Accuracy by size of the gold"].rows
    assert [line[0] for line in table if line[1] != "0"] == ["32–64"]


def test_confusion_of_counts(tmp_path: Path) -> None:
    pairs = [(3, 3), (3, 4), (3, 4), (5, None), (5, -2), (7, 900), (2, 2)]
    rows = [
        make_row("counting", f"s{i}", gold, f"<answer>{answer}</answer>", answer)
        for i, (gold, answer) in enumerate(pairs)
    ]
    figure = _figures(tmp_path, rows)["Confusion of counts"]
    table = {line[0]: dict(zip(figure.head[1:], line[1:])) for line in figure.rows}
    assert list(table) == ["2", "3", "4", "5", "6", "7"]
    assert figure.head[1] == "<0"
    assert figure.head[-2:] == ("≥14", "none")
    filled = {(g, a): n for g, line in table.items() for a, n in line.items() if n != "0"}
    assert filled == {
        ("3", "3"): "1", ("3", "4"): "2", ("5", "none"): "1", ("5", "<0"): "1",
        ("7", "≥14"): "1", ("2", "2"): "1",
    }  # fmt: skip


def test_geometry_outcomes(tmp_path: Path) -> None:
    rows = [
        make_row("geometry", "a", "1", "<answer>1</answer>", "1"),
        make_row("geometry", "b", "1", "<answer>2</answer>", "2"),
        make_row("geometry", "c", "1", "no tags", None),
        make_row("geometry", "d", "1", "<answer>?</answer>", None),
    ]
    table = _figures(tmp_path, rows)["Outcomes"].rows
    assert [line[:2] for line in table] == [
        ("right", "1"), ("wrong answer", "1"), ("no_answer", "1"), ("unparsable_answer", "1"),
    ]  # fmt: skip


def test_figures_are_those_that_the_task_declares(tmp_path: Path) -> None:
    rows = []
    for i, (closeness, answer) in enumerate([(0.05, [9, 9]), (0.97, [2, 2]), (0.0, None)]):
        row = make_row("counting", f"s{i}", 0, "<answer>x</answer>", answer, right=i == 1)
        gold = {"task": "pointing", "box": [0, 0, 4, 4]}
        row |= {"task": "pointing", "gold": gold}
        row["metrics"] |= {"closeness": closeness}
        rows.append(row)
    made = _figures(tmp_path, rows)
    assert list(made) == ["Outcomes", "Samples by closeness to the target"]
    counts = {line[0]: line[1] for line in made["Samples by closeness to the target"].rows}
    assert {name: n for name, n in counts.items() if n != "0"} == {
        "0.0 to 0.1": "1", "0.9 to 1.0": "1", "no usable answer": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "square_pixels"),
    [
        (Shape("box", (1, 2, 5, 8)), 24),
        (Shape("circle", (0, 0, 2)), 4 * math.pi),
        (Shape("polygon", (0, 0, 4, 0, 4, 3)), 6),
        (Shape("point", (3, 3)), 0),
    ],
)
def test_areas(shape: Shape, square_pixels: float) -> None:
    assert area(shape) == pytest.approx(square_pixels)


def test_axes_are_alike_for_all_runs(tmp_path: Path) -> None:
    small = _suite(tmp_path / "a", _rec_rows(10))
    large = _suite(tmp_path / "b", _rec_rows(900))
    drawn = [str(figures(suite, [small, large])[1].svg) for suite in (small, large)]
    ends = [[t.text for t in ET.fromstring(svg) if t.get("class") == "tick end"] for svg in drawn]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("text", ["<b>&\"'", "\u202e\ud800\0", "</svg><script>"])
def test_labels_stay_text(text: str) -> None:
    for svg in (
        row_chart([Bar(text, 1, "failed", text)], label=text),
        bar_chart([Bar(text, 1, "failed", text)], label=text, x_title=text, most=1),
    ):
        drawing = ET.fromstring(str(svg))
        assert {node.tag for node in drawing.iter()} <= {"svg", "line", "text", "rect", "title"}
