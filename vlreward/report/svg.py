"""Inline SVG figures with a text alternative: bar charts and a grid of counts.

Colours come from the classes of the page's style sheet, so that figures follow its theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from vlreward.report.text import plain

__all__ = ["Bar", "Figure", "bar_chart", "grid_chart", "line_chart", "row_chart"]

WIDTH = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 8, 18, 40
_DARKEST = 0.62  # keeps the numbers in the cells readable in both themes


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and the table that says the same."""

    title: str
    """Caption."""
    svg: Markup
    """The drawing."""
    head: tuple[str, ...]
    """Column heads of the table."""
    rows: list[tuple[str, ...]] = field(default_factory=list)
    """Rows of the table; the first cell is the row's head."""
    hint: str = ""
    """How to read it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    label: str
    """Under the bar."""
    height: float | None
    """Its height, None for an empty place."""
    kind: str
    """Style: `right`, `wrong`, `failed` or `plain`."""
    note: str
    """Shown on hover and at its end."""
    low: float | None = None
    """Lower end of its interval."""
    high: float | None = None
    """Upper end of its interval."""
    href: str | None = None
    """Where it leads, within the page."""


def _svg(height: float, label: str, body: list[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, f"{height:g}", plain(label), Markup("").join(body))


def _text(x: float, y: float, text: str, css: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
        css, f"{x:.1f}", f"{y:.1f}", plain(text)
    )


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        css, *(f"{v:.1f}" for v in (x1, y1, x2, y2))
    )


def _rect(x: float, y: float, w: float, h: float, css: str, title: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    ).format(css, *(f"{v:.1f}" for v in (x, y, w, h)), plain(title))


def _ticks(most: int) -> list[int]:
    """At most five whole numbers at equal distances from 0 to at least `most`."""
    step = power = 1
    while step * 4 < most:
        power *= 10
        step = next(s for s in (power // 5, power // 2, power) if s * 4 >= most or s == power)
    return [step * i for i in range(max(1, -(-most // step)) + 1)]


def bar_chart(bars: Sequence[Bar], *, label: str, x_title: str, most: int | None = None) -> Markup:
    """Upright bars, with intervals where a bar has one.

    Args:
        bars: Counts, or shares if `most` is None.
        label: What the drawing says, in words.
        most: Count that the axis must reach; None for shares from 0 to 100 %.
    """
    plot_h = 150
    height = _TOP + plot_h + _BOTTOM
    shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    ticks: Sequence[float] = shares if most is None else _ticks(most)
    top = ticks[-1]
    step = (WIDTH - _LEFT - _RIGHT) / len(bars)

    def y_of(value: float) -> float:
        return _TOP + plot_h * (1 - value / top)

    body = []
    for value in ticks:
        body.append(_line(_LEFT, y_of(value), WIDTH - _RIGHT, y_of(value), "grid"))
        shown = f"{100 * value:.0f} %" if most is None else f"{value:g}"
        body.append(_text(_LEFT - 5, y_of(value) + 3.5, shown, "tick end"))
    for index, bar in enumerate(bars):
        x = _LEFT + index * step
        middle = x + step / 2
        body.append(_text(middle, _TOP + plot_h + 14, bar.label, "tick middle"))
        if bar.height is None:
            body.append(_text(middle, y_of(0) - 5, "–", "tick middle"))
            continue
        y = y_of(bar.height)
        body.append(_rect(x + step * 0.1, y, step * 0.8, y_of(0) - y, f"bar {bar.kind}", bar.note))
        if bar.low is not None and bar.high is not None:
            low, high = y_of(bar.low), y_of(bar.high)
            body.append(_line(middle, low, middle, high, "whisker"))
            body += [_line(middle - 4, v, middle + 4, v, "whisker") for v in (low, high)]
    body.append(_line(_LEFT, y_of(0), WIDTH - _RIGHT, y_of(0), "axis"))
    body.append(_text((_LEFT + WIDTH - _RIGHT) / 2, height - 8, x_title, "axis-title middle"))
    return _svg(height, label, body)


def row_chart(bars: Sequence[Bar], *, label: str, most: float | None = None) -> Markup:
    """Lying bars, one per line, each with its name before it and its note behind it.

    Args:
        bars: The bars; intervals are drawn where a bar has one.
        label: What the drawing says, in words.
        most: Height of a bar over the whole width; None for that of the longest.
    """
    name_w, note_w, line = 128, 96, 24
    longest = most or max((bar.height or 0 for bar in bars), default=0) or 1
    unit = (WIDTH - name_w - note_w) / longest
    body = []
    for index, bar in enumerate(bars):
        y = 4 + index * line
        name = bar.label if len(bar.label) <= 20 else f"{bar.label[:19]}…"
        width = max(unit * (bar.height or 0), 1)
        drawn = [
            _text(name_w - 8, y + 14, name, "tick end"),
            _rect(name_w, y + 2, width, line - 8, f"bar {bar.kind}", f"{bar.label}: {bar.note}"),
            _text(name_w + unit * (bar.high or 0) + 6 if bar.high else name_w + width + 6, y + 14,
                  bar.note, "tick"),
        ]  # fmt: skip
        if bar.low is not None and bar.high is not None:
            low, high = name_w + unit * bar.low, name_w + unit * bar.high
            drawn.append(_line(low, y + 10, high, y + 10, "whisker"))
            drawn += [_line(x, y + 7, x, y + 13, "whisker") for x in (low, high)]
        joined = Markup("").join(drawn)
        if bar.href:
            whole = Markup('<rect class="whole" y="{}" width="{}" height="{}"/>')
            whole = whole.format(y - 2, WIDTH, line)
            joined = Markup('<a href="{}">{}{}</a>').format(bar.href, whole, joined)
        body.append(joined)
    body.append(_line(name_w, 2, name_w, 4 + len(bars) * line, "axis"))
    return _svg(8 + len(bars) * line, label, body)


def line_chart(
    dots: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]],
    *,
    label: str,
    x_title: str,
) -> Markup:
    """Single values as dots, and a line through their means.

    Args:
        dots: (x, y) of each value, x increasing.
        line: (x, y) of the line.
        label: What the drawing says, in words.
    """
    plot_h = 150
    height = _TOP + plot_h + _BOTTOM
    xs = [x for x, _ in dots]
    ys = [y for _, y in (*dots, *line)]
    x0, x1 = min(xs), max(xs)
    y0, y1 = min(ys), max(ys)
    if y1 - y0 < 1e-12 * max(1.0, abs(y1)):
        y0, y1 = y0 - 0.5, y1 + 0.5
    wide = WIDTH - _LEFT - _RIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        along = (x - x0) / (x1 - x0) if x1 > x0 else 0.5
        return _LEFT + wide * along, _TOP + plot_h * (1 - (y - y0) / (y1 - y0))

    body = []
    for i in range(5):
        value = y0 + (y1 - y0) * i / 4
        _, y = place(x0, value)
        body.append(_line(_LEFT, y, WIDTH - _RIGHT, y, "grid"))
        body.append(_text(_LEFT - 5, y + 3.5, f"{value:.3g}", "tick end"))
    for x in sorted({x0, (x0 + x1) // 2, x1}):
        at, _ = place(x, y0)
        anchor = "end" if x == x1 > x0 else "middle"
        body.append(_text(at, _TOP + plot_h + 14, f"{x:g}", f"tick {anchor}"))
    for x, y in dots:
        at, up = place(x, y)
        body.append(Markup('<circle class="dot" cx="{}" cy="{}" r="1.4"/>').format(
            f"{at:.1f}", f"{up:.1f}"
        ))  # fmt: skip
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(x, y) for x, y in line))
    body.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    body.append(_line(_LEFT, _TOP + plot_h, WIDTH - _RIGHT, _TOP + plot_h, "axis"))
    body.append(_text((_LEFT + WIDTH - _RIGHT) / 2, height - 8, x_title, "axis-title middle"))
    return _svg(height, label, body)


def grid_chart(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: dict[tuple[str, str], int],
    *,
    label: str,
    row_title: str,
    column_title: str,
) -> Markup:
    """A grid of counts; a cell is as dark as its share of its row, equal labels are framed."""
    left, top = 46, 42
    side = (WIDTH - left - _RIGHT) / len(columns)
    tall = min(side, 26)
    body = [
        _text(left + (WIDTH - left - _RIGHT) / 2, 12, column_title, "axis-title middle"),
        Markup(
            '<text class="axis-title middle" transform="translate(11 {}) rotate(-90)">{}</text>'
        ).format(f"{top + tall * len(rows) / 2:.1f}", row_title),
    ]
    body += [
        _text(left + side * (i + 0.5), top - 6, c, "tick middle") for i, c in enumerate(columns)
    ]
    for r, row in enumerate(rows):
        y = top + r * tall
        total = sum(cells.get((row, column), 0) for column in columns)
        body.append(_text(left - 6, y + tall / 2 + 3.5, row, "tick end"))
        for c, column in enumerate(columns):
            count = cells.get((row, column), 0)
            share = count / total if total else 0
            kind = "cell hit" if row == column else "cell"
            title = plain(f"{row_title} {row}, {column_title} {column}: {count} of {total}")
            body.append(
                Markup('<g class="{}"><title>{}</title>').format(kind, title)
                + Markup(
                    '<rect class="ground" x="{0}" y="{1}" width="{2}" height="{3}"/>'
                    '<rect class="heat" x="{0}" y="{1}" width="{2}" height="{3}"'
                    ' fill-opacity="{4}"/>'
                ).format(
                    f"{left + c * side + 1:.1f}",
                    f"{y + 1:.1f}",
                    f"{side - 2:.1f}",
                    f"{tall - 2:.1f}",
                    f"{_DARKEST * share:.3f}",
                )
            )
            if count:
                body.append(
                    _text(left + (c + 0.5) * side, y + tall / 2 + 3.5, str(count), "count middle")
                )
            body.append(Markup("</g>"))
    return _svg(top + tall * len(rows) + 6, label, body)
