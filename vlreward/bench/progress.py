"""How far a run is: a bar on a terminal, a line every now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from vlreward._text import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["RunProgress"]


class RunProgress:
    """Shows count, rate, time left, running accuracy and failures of one suite.

    The rate counts only what was generated now, over the last half minute: answers of an
    earlier run come at once and would make the time left look too short.

    Args:
        total: Number of items.
        shown: False to print nothing; None and True print.
        stream: Where to print; None for standard error.
        interval: Seconds between lines where the stream is no terminal.

    Example:
        >>> import io
        >>> out = io.StringIO()
        >>> with RunProgress(2, "val", stream=out) as progress:
        ...     progress.advance(accuracies=[1.0], resumed=True)
        ...     progress.advance(failed=True, resumed=True)
        >>> print(out.getvalue().strip())
        val: 2/2, 2 from an earlier run, accuracy 1.000, 1 failed
    """

    def __init__(
        self,
        total: int,
        title: str,
        *,
        shown: bool | None = None,
        stream: TextIO | None = None,
        interval: float = 10.0,
    ) -> None:
        self._total, self._title, self._interval = total, title, interval
        self._stream = sys.stderr if stream is None else stream
        self._shown = shown is not False
        self._done = self._resumed = self._failed = self._judged = 0
        self._sum = 0.0
        self._mark_count = 0
        self._rate: float | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> RunProgress:
        self._started = self._last_line = self._mark_time = time.monotonic()
        if self._shown and self._stream.isatty():
            self._start_bar()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, note=self._note(), refresh=True)
            self._bar.stop()
        elif self._shown:
            self._print_line()

    def advance(
        self, *, accuracies: Sequence[float] = (), failed: bool = False, resumed: bool = False
    ) -> None:
        """One more item is settled.

        Args:
            accuracies: How right answers are, from 0 to 1, of which that is known now.
            failed: True if there is no answer.
            resumed: True if the answer is from an earlier run.
        """
        self._done += 1
        self._resumed += resumed
        self._failed += failed
        self._judged += len(accuracies)
        self._sum += sum(accuracies)
        if not self._shown:
            return
        now = time.monotonic()
        self._measure(now)
        if self._bar is not None and self._task is not None:
            if now - self._last_line >= 0.1:
                self._last_line = now
                self._bar.update(self._task, completed=self._done, note=self._note())
        elif now - self._last_line >= self._interval:
            self._last_line = now
            self._print_line()

    def _measure(self, now: float) -> None:
        generated = self._done - self._resumed
        elapsed = now - self._mark_time
        if elapsed < 1.0 or generated == self._mark_count:
            return
        latest = (generated - self._mark_count) / elapsed
        # The mean of the first half minute, then an exponential average with that memory.
        weight = min(1.0, elapsed / min(30.0, max(elapsed, now - self._started)))
        self._rate = latest * weight + (self._rate or 0.0) * (1.0 - weight)
        self._mark_time, self._mark_count = now, generated

    def _note(self) -> str:
        parts = []
        if self._rate is not None:
            parts.append(f"{self._rate:.1f}/s")
            if self._done < self._total:
                parts.append(f"{duration((self._total - self._done) / self._rate)} left")
        if self._resumed:
            parts.append(f"{self._resumed} from an earlier run")
        if self._judged:
            parts.append(f"accuracy {self._sum / self._judged:.3f}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join(parts)

    def _print_line(self) -> None:
        note = self._note()
        line = f"{self._title}: {self._done}/{self._total}" + (f", {note}" if note else "")
        print(line, file=self._stream, flush=True)

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(file=self._stream),
        )
        self._task = self._bar.add_task(escape(self._title), total=self._total, note="")
        self._bar.start()
