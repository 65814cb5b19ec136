"""Progress bars on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from vlreward._text import one_line

__all__ = ["Bar", "Bars", "bars_for"]

Bar = Callable[[int, "int | None"], object]
"""Called with how much is done, and how much there is."""

Bars = Callable[[str], Bar]
"""Gives a bar with a label."""


@contextlib.contextmanager
def bars_for(shown: bool) -> Iterator[Bars]:
    """Bars that are drawn, or that do nothing."""
    if not shown:
        yield lambda label: lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bars:

        def bar(label: str) -> Bar:
            task = bars.add_task(one_line(label, 60), total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield bar
