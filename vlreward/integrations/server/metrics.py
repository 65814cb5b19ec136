"""What `/metrics` shows, in the format of Prometheus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["ServerMetrics"]

_SHARED = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServerMetrics:
    """Counters of one server, apart from those of any other in the process.

    Where several processes are one server, each shows the sum over all of them.
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here: Any = {"registry": self.registry}
        summed: Any = {**here, "multiprocess_mode": "livesum"}
        self.requests = Counter(
            "vlreward_requests",
            "Requests answered, by endpoint and status.",
            ["endpoint", "status"],
            **here,
        )
        self.seconds = Histogram(
            "vlreward_request_seconds",
            "Seconds from the head of a request to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            **here,
        )
        self.completions = Counter(
            "vlreward_completions", "Completions scored, by task.", ["task"], **here
        )
        self.failures = Counter(
            "vlreward_failures", "Completions without a usable answer, by code.", ["code"], **here
        )
        self.dropped = Counter(
            "vlreward_dropped",
            "Requests given up, by reason: the client left, or did not send in time.",
            ["reason"],
            **here,
        )
        self.pending = Gauge("vlreward_pending_completions", "Completions that wait.", **summed)
        self.hard = Gauge(
            "vlreward_hard_pending",
            "Symbolic comparisons that wait for, or run in, a worker process.",
            **summed,
        )

    def exposition(self) -> bytes:
        """All metrics as text."""
        registry = self.registry
        if _SHARED in os.environ:
            for file in Path(os.environ[_SHARED]).glob("gauge_live*_*.db"):
                if not _is_alive(pid := int(file.stem.rpartition("_")[2])):
                    mark_process_dead(pid)  # type: ignore[no-untyped-call, unused-ignore]
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call, unused-ignore]
        text: bytes = generate_latest(registry)
        return text


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
