"""The figures of a suite: what went right, what went wrong, and how."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from vlreward.bench.run_files import SampleRow
from vlreward.report.categories import categories
from vlreward.report.drawing import area, gold_shapes, known_sample, known_task
from vlreward.report.load import SuiteRun
from vlreward.report.svg import Bar, Figure, bar_chart, grid_chart, row_chart
from vlreward.report.text import percent
from vlreward.task import AccuracyBySize, Confusion, Histogram

__all__ = ["figures"]

_BINS = 10
_SIDES = (0, 32, 64, 96, 128, 192, 256, 384)
_SHOWN_COUNTS = 14
_SHOWN_GROUPS = 12
_NO_ANSWER = "none"


def figures(suite: SuiteRun, peers: Sequence[SuiteRun] = ()) -> list[Figure]:
    """The figures of one suite of one run; none if there are no samples.

    Which figures a task has, it declares itself (`TaskSpec.figures`).

    Args:
        peers: The same suite of all runs, for axes that are alike.
    """
    if not suite.samples:
        return []
    made: list[Figure | None] = [_outcomes(suite, suite.samples)]
    for name in dict.fromkeys(row.task for row in suite.samples):
        task = known_task(name)
        rows, *others = ([r for r in s.samples or [] if r.task == name] for s in (suite, *peers))
        for figure in () if task is None else task.figures:
            if isinstance(figure, Histogram):
                made.append(_histogram(figure, suite, rows, others))
            elif isinstance(figure, AccuracyBySize):
                made.append(_accuracy_by_size(suite, rows))
            elif isinstance(figure, Confusion):
                made.append(_confusion(rows, [row for other in others for row in other]))
    made += [_accuracy_by_category(suite, suite.samples, key) for key in suite.categories]
    return [figure for figure in made if figure is not None]


def _outcomes(suite: SuiteRun, rows: list[SampleRow]) -> Figure:
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


def _bins(metric: str, rows: Sequence[SampleRow]) -> list[int]:
    """Number of answers by a metric, and at the end of completions without one."""
    bins = [0] * (_BINS + 1)
    for row in rows:
        if row.failure is not None:
            bins[_BINS] += 1
        elif metric in row.metrics:
            bins[max(0, min(int(row.metrics[metric] * _BINS + 1e-9), _BINS - 1))] += 1
    return bins


def _histogram(
    figure: Histogram, suite: SuiteRun, rows: list[SampleRow], peers: Sequence[list[SampleRow]]
) -> Figure | None:
    name = figure.title
    *bins, failed = _bins(figure.metric, rows)
    if not any(bins):
        return None
    most = max(max(_bins(figure.metric, peer)) for peer in [rows, *peers])
    edges = [f"{i / _BINS:.1f}" for i in range(_BINS + 1)]
    threshold = _threshold(suite.result.primary)
    bars = []
    for i, count in enumerate(bins):
        kind = "plain" if threshold is None else "wrong"
        if threshold is not None and i / _BINS >= threshold - 1e-9:
            kind = "right"
        bars.append(Bar(edges[i], count, kind, f"{name} {edges[i]} to {edges[i + 1]}: {count}"))
    bars.append(Bar("none", failed, "failed", f"no usable answer: {failed}"))
    table = [(f"{edges[i]} to {edges[i + 1]}", str(n)) for i, n in enumerate(bins)]
    said = ", ".join(f"{part}: {count}" for part, count in table if count != "0")
    where = f"; {name} above {threshold:g} counts as right" if threshold is not None else ""
    return Figure(
        f"Samples by {name}",
        bar_chart(
            bars,
            label=f"Histogram of {name}: {said}; no usable answer: {failed}",
            x_title=f"{name} from … (bins of 0.1)",
            most=most,
        ),
        (name, "Samples"),
        [*table, ("no usable answer", str(failed))],
        f"Number of samples by {name}{where}.",
    )


def _threshold(primary: str) -> float | None:
    """Where `acc@T` is 1."""
    name, _, value = primary.partition("@")
    try:
        return float(value) if name == "acc" else None
    except ValueError:
        return None


def _share(suite: SuiteRun, rows: Sequence[SampleRow]) -> tuple[float, float, float]:
    """Share of right rows and its 95 % interval: Wilson's, or by resampling questions."""
    from vlreward.metrics.intervals import bootstrap_mean, wilson_interval

    hits = [suite.right(row) for row in rows]
    questions = [row.id for row in rows]
    if 1 < len(set(questions)) < len(rows):
        ends = bootstrap_mean([float(hit) for hit in hits], questions)
    else:
        ends = wilson_interval(sum(hits), len(hits))
    return sum(hits) / len(hits), ends.low, ends.high


def _intervals(suite: SuiteRun) -> str:
    return "95 % Wilson" if suite.result.attempts is None else "95 % bootstrap over questions"


def _accuracy_by_size(suite: SuiteRun, rows: list[SampleRow]) -> Figure | None:
    groups: list[list[SampleRow]] = [[] for _ in _SIDES]
    for row in rows:
        for shape in gold_shapes(row)[:1]:
            side = math.sqrt(area(shape))
            groups[sum(side >= low for low in _SIDES) - 1].append(row)
    if not any(groups):
        return None
    bars: list[Bar] = []
    table: list[tuple[str, ...]] = []
    for i, group in enumerate(groups):
        name = f"{_SIDES[i]}–{_SIDES[i + 1]}" if i + 1 < len(_SIDES) else f"≥ {_SIDES[i]}"
        if not group:
            bars.append(Bar(f"{_SIDES[i]}", None, "right", ""))
            table.append((name, "0", "–", "–"))
            continue
        share, low, high = _share(suite, group)
        between = f"{percent(low)} to {percent(high)}"
        note = f"{name} px: {percent(share)} of {len(group)}, {between}"
        bars.append(Bar(f"{_SIDES[i]}", share, "right", note, low, high))
        table.append((name, str(len(group)), percent(share), between))
    said = ", ".join(f"{row[0]} px {row[2]} of {row[1]}" for row in table if row[1] != "0")
    return Figure(
        "Accuracy by size of the gold",
        bar_chart(bars, label=f"Accuracy by size: {said}", x_title="√area from … px"),
        ("√area, px", "Samples", "Accuracy", _intervals(suite)),
        table,
        "Side of a square as large as the gold, in pixels of the original image; whiskers are "
        f"{_intervals(suite)} intervals, – is a size without samples.",
    )


def _accuracy_by_category(suite: SuiteRun, rows: list[SampleRow], key: str) -> Figure | None:
    groups: dict[str, list[SampleRow]] = {}
    for row in rows:
        value = categories(row).get(key)
        if value is not None:
            groups.setdefault(value, []).append(row)
    bars: list[Bar] = []
    table: list[tuple[str, ...]] = []
    for value, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        share, low, high = _share(suite, group)
        note = f"{percent(share)} of {len(group)}"
        link = urlencode(
            {"suite": suite.name, "key": key, "value": value}, quote_via=quote, errors="replace"
        )
        bars.append(Bar(value, share, "right", note, low, high, f"#s:{link}"))
        table.append((value, str(len(group)), percent(share), f"{percent(low)} to {percent(high)}"))
    if len(bars) < 2:
        return None
    shown, rest = bars[:_SHOWN_GROUPS], len(bars[_SHOWN_GROUPS:])
    said = ", ".join(f"{bar.label} {bar.note}" for bar in shown)
    return Figure(
        f"Accuracy by {key}",
        row_chart(shown, label=f"Accuracy by {key}: {said}", most=1),
        (key, "Samples", "Accuracy", _intervals(suite)),
        table,
        f"Largest groups first{f', {rest} more in the table' if rest else ''}; whiskers are "
        f"{_intervals(suite)} intervals. A bar leads to its samples.",
    )


def _confusion(rows: list[SampleRow], peers: list[SampleRow]) -> Figure | None:
    def name(count: int) -> str:
        return str(count) if count < _SHOWN_COUNTS else f"≥{_SHOWN_COUNTS}"

    def said(row: SampleRow) -> str:
        if not isinstance(row.answer, int):
            return _NO_ANSWER
        return name(row.answer) if row.answer >= 0 else "<0"

    def gold(row: SampleRow) -> int | None:
        sample = known_sample(row)
        target = None if sample is None else sample.target
        return max(0, target) if isinstance(target, int) else None

    rows = [row for row in rows if gold(row) is not None]
    everyone = [*rows, *(row for row in peers if gold(row) is not None)]
    if not rows:
        return None
    golds = {min(gold(row) or 0, _SHOWN_COUNTS) for row in everyone}
    written = {row.answer for row in everyone if isinstance(row.answer, int)}
    answers = {max(-1, min(answer, _SHOWN_COUNTS)) for answer in written}
    pairs = Counter((name(gold(row) or 0), said(row)) for row in rows)
    low, high = min(golds | (answers - {-1})), max(golds | answers)
    columns = [name(count) for count in range(low, high + 1)]
    if -1 in answers:
        columns.insert(0, "<0")
    if any(said(row) == _NO_ANSWER for row in everyone):
        columns.append(_NO_ANSWER)
    lines = [name(count) for count in range(min(golds), max(golds) + 1)]
    same = sum(n for (line, answer), n in pairs.items() if line == answer)
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
