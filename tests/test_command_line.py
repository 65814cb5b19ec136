"""Errors at the command line: one line, and an exit code that says whose affair it is."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from vlreward import __version__, cli
from vlreward.bench import cli as bench_cli
from vlreward.bench.expectations import ExpectationError
from vlreward.bench.run_store import LockedError, RunMismatchError
from vlreward.bench.runner import TooManyFailuresError
from vlreward.command_line import BUG, Command
from vlreward.data.errors import DataError, RowProblem
from vlreward.engines.base import EngineError
from vlreward.errors import OptionError, UserError
from vlreward.registry import UnknownNameError
from vlreward.report import ReportError
from vlreward_paddle import cli as paddle_cli
from vlreward_trl import cli as trl_cli
from vlreward_trl import demo as trl_demo


def failing(error: BaseException) -> Result:
    app = typer.Typer()

    @app.command(cls=Command)
    def fail() -> None:
        raise error

    return CliRunner().invoke(app, [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ExpectationError("expected 1"), 1),
        (DataError("bad\nrow"), 2),
        (LockedError("held"), 2),
        (OptionError("wrong"), 2),
        (ReportError("no run"), 2),
        (RunMismatchError("another model"), 2),
        (UnknownNameError("unknown suite 'x'"), 2),
        (ImportError("pip install 'vlreward[hf]'"), 2),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 2),
        (EngineError("no server"), 3),
        (TooManyFailuresError("all of them", []), 3),
        (KeyboardInterrupt("interrupted: 3 answers are kept"), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_of_the_user_is_one_line_and_its_own_code(error: Exception, code: int) -> None:
    result = failing(error)
    assert result.exit_code == code
    text = " ".join(str(error).split()) or "interrupted"
    assert result.stderr == f"error: {text}\n"


def test_a_bug_shows_its_traceback_and_is_no_unmet_expectation() -> None:
    result = failing(ZeroDivisionError("division by zero"))
    assert result.exit_code == BUG == 70
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    "app",
    [cli.app, bench_cli.app, trl_demo.app],
    ids=["vlreward", "vlreward-bench", "vlreward-train-demo"],
)
def test_every_command_says_its_version(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("vlreward 0.")


def _commands(app: typer.Typer) -> list[list[str]]:
    found: list[list[str]] = []

    def walk(command: Any, path: list[str]) -> None:
        found.append(path)
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*path, name])

    walk(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("app", [cli.app, bench_cli.app], ids=["vlreward", "vlreward-bench"])
def test_every_subcommand_says_its_version_and_names_the_option(app: typer.Typer) -> None:
    """`vlreward-bench run --version`: 'No such option'."""
    assert len(_commands(app)) > 3
    for path in _commands(app):
        result = CliRunner().invoke(app, [*path, "--version"])
        assert (result.exit_code, result.output) == (0, f"vlreward {__version__}\n"), path
        assert "--version" in CliRunner().invoke(app, [*path, "--help"]).output, path


def test_what_stood_in_lines_of_its_own_is_told_apart() -> None:
    """Rows at fault ran into each other: 'no image 'a.png' row 2: no image 'b.png''."""
    rows = [RowProblem(1, "no image 'a.png'"), RowProblem(2, "no image 'b.png'")]
    result = failing(DataError("expected images:", path="d.json", problems=rows))
    assert result.stderr == (
        "error: d.json: expected images: row 1: no image 'a.png'; row 2: no image 'b.png'\n"
    )


@pytest.mark.parametrize("main", [trl_cli.main, paddle_cli.main], ids=["trl", "paddle"])
def test_trainers_say_their_version_without_their_framework(
    main: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--version"])
    assert capsys.readouterr().out.startswith("vlreward 0.")


def test_a_reader_that_goes_away_ends_the_command_quietly(root: Path) -> None:
    code = "from vlreward.bench.cli import app; app()"
    command = f"set -o pipefail; {sys.executable} -c '{code}' list | true"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.returncode in (0, 141)


def test_the_documented_codes_are_those_of_the_errors(root: Path) -> None:
    text = (root / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}

    def kinds(parent: type[UserError]) -> set[type[UserError]]:
        return {parent}.union(*map(kinds, parent.__subclasses__()))

    used = {kind.exit_code for kind in kinds(UserError)}
    assert used == {1, 2, 3, 143}
    assert documented == used | {0, BUG, 130, 141}
