"""The table that a run prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlreward.bench.evaluate import Evaluation

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_evaluations"]


def print_evaluations(evaluations: Sequence[Evaluation], console: Console) -> None:
    """Print accuracies with intervals, parse rates and failures, then metrics and notes."""
    from rich.table import Table

    table = Table(title=None, header_style="bold", pad_edge=False)
    table.add_column("suite", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("95% interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("parsed", justify="right", no_wrap=True)
    table.add_column("failures by code")
    for evaluation in evaluations:
        report = evaluation.report
        interval = report.acc_ci_clustered or report.acc_ci
        failures = ", ".join(f"{code} {count}" for code, count in report.failures.items())
        table.add_row(
            evaluation.name,
            f"{report.acc:.2%}",
            f"{interval.low:.1%} to {interval.high:.1%}",
            str(report.n),
            f"{report.parse_rate:.1%}",
            failures or "none",
        )
    console.print(table)
    for evaluation in evaluations:
        report = evaluation.report
        rest = [
            f"{name} {value:.4g}" + (f" (n={count})" if count < report.n else "")
            for name, value in report.metrics.items()
            if name != report.primary and (count := report.metrics_n[name])
        ]
        spec, frame = evaluation.spec, evaluation.frame
        how = [f"protocol {spec.protocol}", f"method {spec.method}"]
        how.append(f"prompt {evaluation.prompt.name} ({evaluation.prompt.hash})")
        if frame is not None:
            how.append(f"frame {frame.value} ({evaluation.frame_declared_by})")
        how.append("interval by " + (report.acc_ci_clustered or report.acc_ci).method)
        lines = [f"[bold]{evaluation.name}[/bold]"]
        if rest:
            lines.append("  " + ", ".join(rest))
        lines.append("  " + ", ".join(how))
        lines += [
            f"  published: {r.model} {r.acc:.1%} ({r.source})" for r in evaluation.suite.references
        ]
        lines += [f"  note: {note}" for note in evaluation.notes]
        console.print("\n".join(lines), highlight=False, soft_wrap=True)
