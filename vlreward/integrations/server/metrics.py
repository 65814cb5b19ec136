"""What `/metrics` shows, in the format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

__all__ = ["ServerMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ServerMetrics:
    """Counters of one server, apart from those of any other in the process."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vlreward_requests",
            "Requests answered, by endpoint and status.",
            ["endpoint", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "vlreward_request_seconds",
            "Seconds from the head of a request to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.completions = Counter(
            "vlreward_completions", "Completions scored, by task.", ["task"], registry=self.registry
        )
        self.failures = Counter(
            "vlreward_failures",
            "Completions without a usable answer, by code.",
            ["code"],
            registry=self.registry,
        )
        self.dropped = Counter(
            "vlreward_dropped",
            "Requests given up, by reason: the client left, or did not send in time.",
            ["reason"],
            registry=self.registry,
        )
        self.pending = Gauge(
            "vlreward_pending_completions", "Completions that wait.", registry=self.registry
        )
        self.hard = Gauge(
            "vlreward_hard_pending",
            "Symbolic comparisons that wait for, or run in, a worker process.",
            registry=self.registry,
        )

    def exposition(self) -> bytes:
        """All metrics as text."""
        text: bytes = generate_latest(self.registry)
        return text
