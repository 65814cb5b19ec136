"""Plug-ins built and installed for real, and commands run where one is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_COMMANDS = """
import importlib, json, sys
from typer.testing import CliRunner
printed = []
for module, *arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(importlib.import_module(module).app, arguments)
    if done.exit_code:
        sys.exit(f"{arguments}: {done.exit_code} {done.exception!r}\\n{done.output}")
    printed.append(done.stdout)
print(json.dumps(printed))
"""


def install(package: Path, target: Path) -> dict[str, str]:
    """Build a package and install it into a directory; the environment that finds it there."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    options += ["--no-compile"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(package)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return environment(target)


def environment(*directories: Path) -> dict[str, str]:
    """The environment of a process that also finds the packages of these directories."""
    path = os.pathsep.join(map(str, (*directories, _ROOT, _ROOT / "backends" / "trl")))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VLREWARD_")}
    return {**kept, "PYTHONPATH": path, "COLUMNS": "160", "TERM": "dumb"}


def python(code: str, env: dict[str, str], cwd: Path | None = None) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(env: dict[str, str], cwd: Path, *lines: Sequence[object]) -> list[str]:
    """Run command lines, the module of each first, in one process; what each of them prints."""
    given = json.dumps([[str(word) for word in line] for line in lines])
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, given],
        capture_output=True, text=True, check=False, env=env, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed: list[str] = json.loads(done.stdout)
    return printed
