"""Prints two runs side by side: what changed, and whether it could be chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward.data.errors import DataError

if TYPE_CHECKING:
    from vlreward.bench.run_files import SampleRow

__all__ = ["print_comparison"]


def print_comparison(a: Path, b: Path, *, show: int = 10) -> None:
    """Print a table of paired differences, then discordant samples.

    Args:
        a: The first run directory.
        b: The second; differences are its accuracy minus that of `a`.
        show: How many discordant samples to print for each suite.

    Raises:
        DataError: If a directory is no run, or the runs share no samples.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from vlreward.report.categories import shared_ends
    from vlreward.report.load import load_runs
    from vlreward.report.pairs import by_question, compare_runs, mostly_right

    runs = load_runs([a, b])
    pairs = compare_runs(runs)
    if not pairs:
        raise DataError(f"expected runs that share samples of a suite, got {a} and {b}")
    console = Console()
    numbers = ("n", "difference", "95% interval", "McNemar p", "fixed", "broken")
    table = Table(
        Column("suite", overflow="fold"),  # at 80 columns names give way, and no number
        *(Column(name, justify="right", no_wrap=True) for name in numbers),
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for pair in pairs:
        table.add_row(
            pair.suite,
            str(pair.n),
            f"{pair.difference:+.2%}",
            f"{pair.low:+.2%} to {pair.high:+.2%}",
            f"{pair.p:.3g}",
            str(pair.fixed),
            str(pair.broken),
        )
    console.print(table)
    for pair in pairs:
        for note in pair.notes:
            console.print(f"note: {escape(pair.suite)}: {escape(note)}", soft_wrap=True)
        if pair.suite != pair.suite_b:
            names = f"{pair.suite} and {pair.suite_b}"
            console.print(f"note: {escape(names)} are subsets of one suite", soft_wrap=True)
        if pair.unpaired:
            note = f"{pair.unpaired} samples of {pair.suite} are in one run only"
            console.print(f"note: {escape(note)}", soft_wrap=True)
        first, second = runs[0].suites[pair.suite], runs[1].suites[pair.suite_b]
        mine, others = by_question(first), by_question(second)
        cut = shared_ends([row.question for row in first.samples or ()]) or (0, 0)
        shown = 0
        for key in (key for key in mine if key in others):
            better = mostly_right(second, others[key])
            if mostly_right(first, mine[key]) == better:
                continue
            if shown == show:
                console.print(f"  ... and {pair.fixed + pair.broken - show} more")
                break
            shown += 1
            row, verb = mine[key][0], "fixed " if better else "broken"
            told = row.question[cut[0] : len(row.question) - cut[1]]
            question = " ".join((row.expression or told).split())[:60]
            console.print(
                escape(f"  {verb} {key}: {_answers(mine[key])} -> {_answers(others[key])}")
                + escape(f"  {question}"),
                highlight=False,
                soft_wrap=True,
            )


def _answers(rows: Sequence[SampleRow]) -> str:
    """One answer as it is; of several the most frequent, and how often it came."""
    counts = Counter(repr(row.answer) for row in rows)
    text, times = counts.most_common(1)[0]
    return text if len(rows) == 1 else f"{text} ({times} of {len(rows)})"
