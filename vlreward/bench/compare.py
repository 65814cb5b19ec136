"""Prints two runs side by side: what changed, and whether it could be chance."""

from __future__ import annotations

from pathlib import Path

from vlreward.data.errors import DataError

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
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from vlreward.report.load import load_runs
    from vlreward.report.pairs import compare_runs

    runs = load_runs([a, b])
    pairs = compare_runs(runs)
    if not pairs:
        raise DataError(f"expected runs that share samples of a suite, got {a} and {b}")
    console = Console()
    table = Table()
    table.add_column("suite", no_wrap=True)
    for name in ("n", "difference", "95% interval", "McNemar p", "fixed", "broken"):
        table.add_column(name, justify="right", no_wrap=True)
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
        if pair.unpaired:
            console.print(f"note: {pair.unpaired} samples of {pair.suite} are in one run only")
        first, second = (run.suites[pair.suite] for run in runs)
        others = {row.id: row for row in second.samples or []}
        shown = 0
        for row in first.samples or []:
            other = others.get(row.id)
            if other is None or first.right(row) == second.right(other):
                continue
            if shown == show:
                console.print(f"  ... and {pair.fixed + pair.broken - show} more")
                break
            shown += 1
            verb = "fixed " if second.right(other) else "broken"
            question = " ".join((row.question or "").split())[:60]
            console.print(
                escape(f"  {verb} {row.id}: {row.answer!r} -> {other.answer!r}  {question}"),
                highlight=False,
                soft_wrap=True,
            )
