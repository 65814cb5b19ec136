"""Seconds of the parts of a training step, and what the GPU does in each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Parts"]

_CUDA = torch.cuda.is_available()


class Parts:
    """Time goes to the part that was entered last; the device is waited for at every change.

    In a profiled step torch's profiler records the device's work alone, no stacks and no shapes,
    in a session for every stretch of a part. The seconds of such a step are not for comparing.
    """

    def __init__(self) -> None:
        self.seconds: list[dict[str, float]] = []
        """By part, a dictionary a step."""
        self.device: dict[str, dict[str, float]] = {}
        """Milliseconds by kind of work, by part, of the profiled step."""
        self._part: str | None = None
        self._since = 0.0
        self._session: Any = None
        self._profiled = False

    def step(self, number: int, profiled: bool) -> None:
        """Say to which step what follows belongs, counted from 0; the next or the same."""
        if number == len(self.seconds):
            self.enter(None)
            self.seconds.append({})
            self._profiled = profiled
            if profiled:  # the first session of a process starts the profiler, which takes seconds
                self._start()
                self._session.stop()

    def enter(self, part: str | None) -> str | None:
        """Change to a part, or to none; says which it was."""
        before = self._part
        _wait()
        if before is not None:
            spent = time.perf_counter() - self._since
            step = self.seconds[-1]
            step[before] = step.get(before, 0.0) + spent
            if self._profiled:
                self._session.stop()
                total = self.device.setdefault(before, {})
                for kind, value in _work(self._session.events(), spent * 1e3).items():
                    total[kind] = total.get(kind, 0.0) + value
        self._part = part
        if part is not None and self._profiled:
            if torch.distributed.is_initialized():  # or ranks wait for whoever reads its events
                torch.distributed.barrier()
                _wait()
            self._start()
        self._since = time.perf_counter()
        return before

    def within(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is that of a part."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            before = self.enter(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.enter(before)

        return wrapped

    def _start(self) -> None:
        kind = torch.profiler.ProfilerActivity
        self._session = torch.profiler.profile(activities=[kind.CUDA if _CUDA else kind.CPU])
        self._session.start()


def _work(events: Iterable[Any], wall: float) -> dict[str, float]:
    """Milliseconds of kernels, of NCCL's, of copies, and without any of them.

    Kernels that run at once count each. On a CPU, operators stand in for kernels.
    """
    found = {"compute_ms_without_communication": 0.0, "communication_ms": 0.0, "copies_ms": 0.0}
    spans = []
    for event in events:
        if not _CUDA:
            found[_kind(event.name)] += event.self_cpu_time_total / 1e3
        elif event.device_type == torch.autograd.DeviceType.CUDA and not event.is_user_annotation:
            span = event.time_range
            found[_kind(event.name)] += (span.end - span.start) / 1e3
            spans.append((span.start, span.end))
    if not _CUDA:
        return found
    return found | {"idle_ms": wall - _covered(spans) / 1e3}


def _kind(name: str) -> str:
    if name.startswith(("nccl", "c10d::", "gloo:")):
        return "communication_ms"
    if name.startswith(("Memcpy", "Memset")):
        return "copies_ms"
    return "compute_ms_without_communication"


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _wait() -> None:
    if _CUDA:
        torch.cuda.synchronize()
