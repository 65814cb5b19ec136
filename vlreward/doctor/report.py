"""Findings for a person, and as JSON. Completions are shown as text, whatever they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlreward.doctor.checks import Finding
from vlreward.doctor.observations import Observation

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_json", "exceeded", "plain", "print_report"]

_SHOWN = 240


def plain(text: str, limit: int = _SHOWN) -> str:
    r"""A text that is safe to print: one line, control and invisible characters written out.

    Example:
        >>> plain("a\x1b[31mred\nb")
        'a\\x1b[31mred⏎b'
    """
    half = limit // 2
    if len(text) > limit:
        text = f"{text[:half]} … {text[-half:]}"
    text = text.replace("\r\n", "⏎").replace("\n", "⏎")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def exceeded(findings: Sequence[Finding], thresholds: Mapping[str, float]) -> list[str]:
    """Names of the checks whose number is above its threshold."""
    return [
        f.name
        for f in findings
        if f.name in thresholds and f.value is not None and f.value > thresholds[f.name]
    ]


def as_json(
    source: str,
    observations: Sequence[Observation],
    findings: Sequence[Finding],
    thresholds: Mapping[str, float],
) -> dict[str, Any]:
    """Everything that the report shows, for programs."""
    over = exceeded(findings, thresholds)
    return {
        "schema": "vlreward.doctor/1",
        "source": source,
        "completions": len(observations),
        "tasks": dict(Counter(o.task for o in observations)),
        "mean_reward": sum(o.value for o in observations) / len(observations),
        "exceeded": over,
        "findings": {
            f.name: {
                "about": f.about,
                "value": f.value,
                "threshold": thresholds.get(f.name),
                "exceeded": f.name in over,
                "count": f.count,
                "of": f.of,
                "details": f.details,
                "note": f.note,
                "examples": [
                    {
                        "reason": reason,
                        "where": o.where,
                        "value": o.value,
                        "failure": o.failure,
                        "completion": o.completion,
                    }
                    for reason, o in f.examples
                ],
            }
            for f in findings
        },
    }


def print_report(
    console: Console,
    source: str,
    observations: Sequence[Observation],
    findings: Sequence[Finding],
    thresholds: Mapping[str, float],
    examples: int,
) -> None:
    """Print the numbers, then each finding with its examples."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    over = exceeded(findings, thresholds)
    mean = sum(o.value for o in observations) / len(observations)
    tasks = Counter(o.task or "unknown task" for o in observations)
    counted = ", ".join(f"{n} {plain(task, 40)}" for task, n in tasks.most_common())
    title = f"{plain(source)}: {len(observations)} completions ({counted}), mean reward {mean:.3f}"
    console.print(Text(title, "bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (("check", "left"), ("found", "right"), ("allowed", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("what is counted", overflow="fold")
    for f in findings:
        bad = f.name in over
        limit = thresholds.get(f.name)
        table.add_row(
            Text(f.name.replace("_", "-"), "bold red" if bad else ""),
            Text(_value(f), "bold red" if bad else "green" if limit is not None else ""),
            "-" if limit is None else f"{limit:g}",
            f"{f.about}{f' ({f.count} of {f.of})' if f.of and f.count else ''}",
        )
    console.print(table)
    for f in findings:
        if not (f.note or f.examples or f.details) or (f.value is None and not f.note):
            continue
        if f.value == 0 and not f.note and not f.examples:
            continue
        console.print()
        style = "bold red" if f.name in over else "bold"
        console.print(Text(f"{f.name.replace('_', '-')}  {_value(f)}", style))
        for name, number in f.details.items():
            console.print(Padding(Text(plain(f"{name}: {number}")), (0, 0, 0, 2)))
        if f.note:
            console.print(Padding(Text(plain(f.note), "yellow"), (0, 0, 0, 2)))
        for reason, o in f.examples[:examples]:
            head = Text(f"{plain(o.where, 80)}  ", "cyan")
            head.append(plain(reason, 200), "")
            console.print(Padding(head, (0, 0, 0, 2)))
            console.print(Padding(Text(plain(o.completion), "dim"), (0, 0, 0, 4)))


def _value(finding: Finding) -> str:
    if finding.value is None:
        return "n/a"
    if finding.name == "length_correlation":
        return f"{finding.value:.2f}"
    if finding.name == "sampler":
        return f"{finding.value:.2g} nats"
    return f"{finding.value:.1%}"
