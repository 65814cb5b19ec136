"""Tiny checkpoints on disk, and a `transformers serve` in front of each."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one tiny random-weight checkpoint per family, named after it."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from tests.tiny import write_letters

    directory = tmp_path_factory.mktemp("tiny")
    for family in ("qwen2-vl", "qwen2.5-vl"):
        write_letters(directory / family, family)
    return directory


@pytest.fixture(scope="session")
def served(tiny_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Base URL by family of a running `transformers serve`."""
    missing = [
        name
        for name in ("fastapi", "uvicorn", "openai", "requests")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        pytest.skip(
            f"transformers serve needs {', '.join(missing)}: "
            "pip install 'transformers[serving]' requests"
        )
    logs = tmp_path_factory.mktemp("serve")
    with contextlib.ExitStack() as stack:
        servers = {}
        for directory in sorted(tiny_dir.iterdir()):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            log = stack.enter_context((logs / f"{directory.name}.log").open("wb"))
            process = subprocess.Popen(
                [
                    sys.executable,
                    str(_HERE / "serve_without_torchvision.py"),
                    "serve",
                    str(directory),
                    *("--host", "127.0.0.1", "--port", str(port)),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(
                        filter(None, (str(_HERE.parent.parent), os.environ.get("PYTHONPATH")))
                    ),
                    "HF_HUB_OFFLINE": "1",
                    "OMP_NUM_THREADS": "1",
                },
            )
            stack.callback(_stop, process)
            servers[directory.name] = (f"http://127.0.0.1:{port}", process, logs)
        for url, process, _ in servers.values():
            _wait_until_healthy(url, process, logs)
        yield {name: f"{url}/v1" for name, (url, _, _) in servers.items()}


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], logs: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                return
        time.sleep(0.3)
    text = "\n".join(log.read_text(errors="replace")[-2000:] for log in logs.iterdir())
    pytest.fail(f"transformers serve did not start:\n{text}")
