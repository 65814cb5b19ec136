"""Several processes that are one server."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import Start
from .test_faults import COUNT, EASY, children, metric, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes through /proc")


def servers(parent: int) -> list[int]:
    """Processes that answer, among the children of the one that started them."""
    found = []
    for pid in children(parent):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in command:
                found.append(pid)
    return found


def test_two_processes_are_one_server(start: Start) -> None:
    server = start("--processes", "2")
    with contextlib.ExitStack() as stack:
        # A connection stays with the process that accepted it.
        clients = [stack.enter_context(server.client()) for _ in range(12)]
        for client in clients:
            assert client.post("/score", json=EASY).json()["scores"][0]["value"] == 1.0
            assert metric(client, 'vlreward_completions_total{task="counting"}') >= 1
        assert metric(clients[0], 'vlreward_completions_total{task="counting"}') == 12
        assert metric(clients[-1], "vlreward_pending_completions") == 0
        bare = {"items": [{"completion": "<answer>4</answer>", "gold": COUNT, "task": "rec"}]}
        assert clients[0].post("/score", json=bare).status_code == 422
    before = servers(server.process.pid)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: before[0] not in (now := servers(server.process.pid)) and len(now) == 2)

    def answered() -> bool:
        try:
            with server.client() as client:
                return client.post("/score", json=EASY).status_code == 200
        except httpx.HTTPError:  # it was in the hands of the one that was killed
            return False

    wait_for(answered)
    with server.client() as client:
        assert metric(client, 'vlreward_completions_total{task="counting"}') >= 13
    processes = children(server.process.pid)
    assert server.stop() == 0
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def test_all_end_with_the_one_that_started_them(start: Start) -> None:
    server = start("--processes", "2")
    wait_for(lambda: len(servers(server.process.pid)) == 2)
    with server.client() as client:
        client.post("/score", json=EASY)
    processes = children(server.process.pid)
    server.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def test_bad_settings_are_refused_before_any_process_starts() -> None:
    from typer.testing import CliRunner

    from vlreward.cli import app

    result = CliRunner().invoke(app, ["serve", "--processes", "2", "--protocol", "deepseek"])
    assert result.exit_code == 2
    assert "no task has the protocol 'deepseek'" in result.output
