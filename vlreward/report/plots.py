"""The figures of a suite: what went right, what went wrong, and how."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from vlreward.bench.run_files import SampleRow
from vlreward.report.drawing import gold_shapes
from vlreward.report.load import Suite
from vlreward.report.svg import Bar, Figure, bar_chart, grid_chart, row_chart
from vlreward.report.text import percent

__all__ = ["figures"]

_BINS = 10
_SIDES = (0, 32, 64, 96, 128, 192, 256, 384)
_SHOWN_COUNTS = 14
_NO_ANSWER = "none"


def figures(suite: Suite, peers: Sequence[Suite] = ()) -> list[Figure]:
    """The figures of one suite of one run; none if there are no samples.

    Args:
        suite: What to draw.
        peers: The same suite of all runs, for axes that are alike.
    """
    rows = suite.samples
    if not rows:
        return []
    made = [_outcomes(suite, rows)]
    if suite.result.task == "rec":
        made += [figure for figure in (_iou_histogram(suite, rows, peers),) if figure]
        made.append(_accuracy_by_size(suite, rows))
    if suite.result.task == "counting":
        made.append(_confusion(rows, [row for s in peers for row in s.samples or []]))
    return made


def _outcomes(suite: Suite, rows: list[SampleRow]) -> Figure:
    right = sum(suite.right(row) for row in rows)
    codes = Counter(row.failure.code for row in rows if row.failure and not suite.right(row))
    wrong = len(rows) - right - sum(codes.values())
    counts = [("right", right, "right"), ("wrong answer", wrong, "wrong")]
    counts += [(code, count, "failed") for code, count in sorted(codes.items(), key=_by_count)]
    bars = [
        Bar(label, count, kind, f"{count} ({percent(count / len(rows))})")
        for label, count, kind in counts
    ]
    said = ", ".join(f"{label} {count}" for label, count, _ in counts)
    return Figure(
        "Outcomes",
        row_chart(bars, label=f"Outcomes of {len(rows)} samples: {said}"),
        ("Outcome", "Samples", "Share"),
        [(label, str(count), percent(count / len(rows))) for label, count, _ in counts],
        "A wrong answer was read and is not the gold; below it stand the failure codes of "
        "completions without a usable answer.",
    )


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _iou_bins(rows: Sequence[SampleRow]) -> list[int]:
    """Number of boxes by IoU, and at the end of completions without one."""
    bins = [0] * (_BINS + 1)
    for row in rows:
        if row.failure is not None:
            bins[_BINS] += 1
        elif "iou" in row.metrics:
            bins[max(0, min(int(row.metrics["iou"] * _BINS + 1e-9), _BINS - 1))] += 1
    return bins


def _iou_histogram(suite: Suite, rows: list[SampleRow], peers: Sequence[Suite]) -> Figure | None:
    *bins, failed = _iou_bins(rows)
    if not any(bins):
        return None
    most = max(max(_iou_bins(peer.samples or [])) for peer in [suite, *peers])
    edges = [f"{i / _BINS:.1f}" for i in range(_BINS + 1)]
    threshold = _threshold(suite.result.primary)
    bars = []
    for i, count in enumerate(bins):
        kind = "right" if threshold is not None and i / _BINS >= threshold - 1e-9 else "wrong"
        bars.append(Bar(edges[i], count, kind, f"IoU {edges[i]} to {edges[i + 1]}: {count}"))
    bars.append(Bar("none", failed, "failed", f"no usable box: {failed}"))
    table = [(f"{edges[i]} to {edges[i + 1]}", str(n)) for i, n in enumerate(bins)]
    said = ", ".join(f"{name}: {count}" for name, count in table if count != "0")
    where = f"; IoU above {threshold:g} counts as right" if threshold is not None else ""
    return Figure(
        "IoU with the gold box",
        bar_chart(
            bars,
            label=f"Histogram of IoU: {said}; no usable box: {failed}",
            x_title="IoU from … (bins of 0.1)",
            most=most,
        ),
        ("IoU", "Samples"),
        [*table, ("no usable box", str(failed))],
        f"Number of samples by IoU{where}.",
    )


def _threshold(primary: str) -> float | None:
    """The IoU at which `acc@T` is 1."""
    name, _, value = primary.partition("@")
    try:
        return float(value) if name == "acc" else None
    except ValueError:
        return None


def _accuracy_by_size(suite: Suite, rows: list[SampleRow]) -> Figure:
    from vlreward.metrics.intervals import wilson_interval

    hits: list[list[bool]] = [[] for _ in _SIDES]
    for row in rows:
        for shape in gold_shapes(row)[:1]:
            x1, y1, x2, y2 = shape.numbers
            side = math.sqrt((x2 - x1) * (y2 - y1))
            hits[sum(side >= low for low in _SIDES) - 1].append(suite.right(row))
    bars: list[Bar] = []
    table: list[tuple[str, ...]] = []
    for i, group in enumerate(hits):
        name = f"{_SIDES[i]}–{_SIDES[i + 1]}" if i + 1 < len(_SIDES) else f"≥ {_SIDES[i]}"
        if not group:
            bars.append(Bar(f"{_SIDES[i]}", None, "right", ""))
            table.append((name, "0", "–", "–"))
            continue
        share, ends = sum(group) / len(group), wilson_interval(sum(group), len(group))
        between = f"{percent(ends.low)} to {percent(ends.high)}"
        note = f"{name} px: {percent(share)} of {len(group)}, {between}"
        bars.append(Bar(f"{_SIDES[i]}", share, "right", note, ends.low, ends.high))
        table.append((name, str(len(group)), percent(share), between))
    said = ", ".join(f"{row[0]} px {row[2]} of {row[1]}" for row in table if row[1] != "0")
    return Figure(
        "Accuracy by size of the gold box",
        bar_chart(bars, label=f"Accuracy by size: {said}", x_title="√area from … px"),
        ("√area, px", "Samples", "Accuracy", "95 % Wilson"),
        table,
        "Side of a square as large as the gold box, in pixels of the original image; whiskers are "
        "95 % Wilson intervals, – is a size without samples.",
    )


def _confusion(rows: list[SampleRow], peers: list[SampleRow]) -> Figure:
    def name(count: int) -> str:
        return str(count) if count < _SHOWN_COUNTS else f"≥{_SHOWN_COUNTS}"

    def said(row: SampleRow) -> str:
        if not isinstance(row.answer, int):
            return _NO_ANSWER
        return name(row.answer) if row.answer >= 0 else "<0"

    everyone = [*rows, *peers]
    golds = {min(int(row.gold["count"]), _SHOWN_COUNTS) for row in everyone}
    written = {row.answer for row in everyone if isinstance(row.answer, int)}
    answers = {max(-1, min(answer, _SHOWN_COUNTS)) for answer in written}
    pairs = Counter((name(int(row.gold["count"])), said(row)) for row in rows)
    low, high = min(golds | (answers - {-1})), max(golds | answers)
    columns = [name(count) for count in range(low, high + 1)]
    if -1 in answers:
        columns.insert(0, "<0")
    if any(said(row) == _NO_ANSWER for row in everyone):
        columns.append(_NO_ANSWER)
    lines = [name(count) for count in range(min(golds), max(golds) + 1)]
    same = sum(n for (gold, answer), n in pairs.items() if gold == answer)
    return Figure(
        "Confusion of counts",
        grid_chart(
            lines,
            columns,
            dict(pairs),
            label=f"Counts: {same} of {len(rows)} on the diagonal; the table below has each cell",
            row_title="gold",
            column_title="answer",
        ),
        ("gold \\ answer", *columns),
        [(line, *(str(pairs[line, column]) for column in columns)) for line in lines],
        "Number of samples; a cell is as dark as its share of its row, frames mark equal counts.",
    )
