"""A server as a process of its own, on a loopback port that the system chooses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

_SERVE = """
import json, sys
from vlreward.integrations.server import ServerOptions, serve
options = ServerOptions.model_validate(json.loads(sys.argv[1]))
serve(options, ready=lambda url: print("listening on", url, flush=True))
"""


@dataclass
class Running:
    """A server that listens."""

    process: subprocess.Popen[str]
    url: str
    token: str | None = None

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, timeout=60, headers=headers, trust_env=False)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def start(root: Path) -> Iterator[Start]:
    """Start a server; ended when the module's tests are done.

    With options it is `vlreward serve`, with `fields` a `serve` call with those of `ServerOptions`.
    """
    for module in ("starlette", "uvicorn", "httptools", "prometheus_client"):
        pytest.importorskip(module, reason=f"{module} is not installed: it needs the extra serve")
    started: list[Running] = []

    def run(
        *options: str,
        token: str | None = None,
        fields: dict[str, Any] | None = None,
        **variables: str,
    ) -> Running:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VLREWARD_")}
        environment |= {"PYTHONPATH": str(root), **variables}
        if token is not None:
            environment["VLREWARD_TOKEN"] = token
        command = [sys.executable, "-m", "vlreward.cli", "serve", "--port", "0", *options]
        if fields is not None:
            command = [sys.executable, "-c", _SERVE, json.dumps({"port": 0, **fields})]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), line
        running = Running(process, line.split()[-1], token)
        started.append(running)
        return running

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        if running.process.stdout is not None:
            running.process.stdout.close()
