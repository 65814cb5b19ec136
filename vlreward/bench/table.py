"""The table that a run prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vlreward.aggregate import Report
from vlreward.bench.attempts import grouped, questions_at
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.run_files import Attempts
from vlreward.metrics.intervals import Interval

if TYPE_CHECKING:
    from rich.console import Console

    from vlreward.suite import Suite

__all__ = ["print_evaluations"]


def print_evaluations(evaluations: Sequence[Evaluation], console: Console) -> None:
    """Print accuracies with intervals, parse rates and failures, then metrics and notes."""
    from rich.table import Column, Table

    numbers = ("accuracy", "95% interval", "n", "parsed")
    table = Table(
        Column("suite", overflow="fold"),
        *(Column(name, justify="right", no_wrap=True) for name in numbers),
        Column("failures", overflow="fold"),
    )
    for evaluation in evaluations:
        report = evaluation.report
        interval = _shown(report)
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
        prompts = evaluation.prompts
        how.append(f"prompt {prompts.usual.name} ({prompts.usual.hash})")
        how += [f"for {task} {own.name} ({own.hash})" for task, own in prompts.own.items()]
        if frame is not None:
            how.append(f"frame {frame.value} ({evaluation.frame_declared_by})")
        how.append("interval by " + _shown(report).method)
        lines = [f"[bold]{evaluation.name}[/bold]"]
        parts = sorted(evaluation.parts.items())
        if parts:
            lines.append("  " + ", ".join(f"{t} {p.acc:.2%} of {p.n}" for t, p in parts))
        if evaluation.several is not None:
            lines.append("  " + _several(evaluation.several, questions_at(evaluation.samples)))
        if rest:
            lines.append("  " + ", ".join(rest))
        lines.append("  " + ", ".join(how))
        lines += [
            f"  published: {r.model} {r.acc:.1%} ({r.source})" for r in evaluation.suite.references
        ]
        lines += [f"  note: {note}" for note in evaluation.notes]
        console.print("\n".join(lines), highlight=False, soft_wrap=True)


def _several(found: Attempts, at: Mapping[str, int]) -> str:
    """pass@k, maj@k and how far answers to one question differ, in a line."""
    answers = f"{found.most}" if found.fewest == found.most else f"{found.fewest}-{found.most}"
    parts = [f"{found.questions} questions with {answers} answers each"]
    over = {k: f" (of {n})" if n < found.questions else "" for k, n in at.items()}
    parts += [f"pass@{k} {value:.2%}{over[k]}" for k, value in found.pass_at.items()]
    parts += [f"maj@{k} {value:.2%}{over[k]}" for k, value in found.majority_at.items() if k != "1"]
    parts.append(f"spread {found.spread:.3f}")
    parts.append(f"all right {found.always_right}, none right {found.never_right}")
    return ", ".join(parts)


def _shown(report: Report) -> Interval:
    """By image where samples share images, unless all are alike and resampling shows no spread."""
    clustered = report.acc_ci_clustered
    return clustered if clustered and clustered.low < clustered.high else report.acc_ci


def print_catalogue() -> None:
    """Print the suites, the tasks with their protocols, and the prompt presets."""
    from rich.console import Console
    from rich.table import Table

    from vlreward.prompts import PRESETS
    from vlreward.suite import SUITES
    from vlreward.tasks import every_task

    console = Console()
    for task, suites in grouped(map(SUITES.get, SUITES), lambda suite: suite.task).items():
        table = Table(title=f"Suites of {task}", title_justify="left")
        table.add_column("suite", no_wrap=True)
        table.add_column("samples", justify="right")
        table.add_column("what it is, its file under --data-root, and who has it", overflow="fold")
        for suite in suites:
            what = suite.description
            if suite.also:
                what += f" (rows of {', '.join(suite.also)} too)"
            table.add_row(suite.name, str(suite.n or "-"), f"{what}; {_whence(suite)}")
        console.print(table)
    console.print(
        "Rows of your own: a task's name in place of a suite, with --data or --completions."
    )
    table = Table(title="Tasks under each protocol and method", title_justify="left")
    for column in ("task", "protocol", "method", "weight and term", "metrics"):
        table.add_column(column, no_wrap=column in ("task", "protocol", "method"))
    for spec in every_task():
        terms = ", ".join(f"{t.weight:g} {t.name}" for t in spec.terms)
        metrics = ", ".join(m.name for m in spec.metrics)
        table.add_row(spec.name, spec.protocol, spec.method, terms, metrics)
    console.print(table)
    table = Table(title="Prompt presets", title_justify="left")
    for column in ("preset", "hash", "answer in", "source"):
        table.add_column(column, no_wrap=column in ("preset", "hash"))
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.hash, preset.answer_in, preset.source)
    console.print(table)


def _whence(suite: Suite) -> str:
    """Where a suite's data come from."""
    from vlreward.data.sources import SOURCES

    if suite.file is None:
        return "generated, nothing to download"
    name = suite.fetch or suite.task
    if name not in SOURCES:
        return suite.file
    hosts = dict.fromkeys(map(_host, (item.url for item in SOURCES.get(name).items)))
    return f"{suite.file}: `vlreward data fetch {name}` from {', '.join(hosts)}"


def _host(url: str) -> str:
    """A data set of the Hugging Face hub by its name, any other address by its host."""
    hub, found, path = url.partition("{hub}/datasets/")
    return "/".join(path.split("/")[:2]) if found else hub.split("/")[2]
