"""The guides: their Python runs, their commands exist, and what needs no data is executed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.testing import CliRunner

from vlreward.bench.cli import app as bench
from vlreward.cli import app as vlreward
from vlreward.integrations.settings import Settings
from vlreward.types import FailureCode

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("[RC]*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda p: len(p.parts))
PROGRAMS = {"vlreward": vlreward, "vlreward-bench": bench}
COMMANDS = {name: typer.main.get_command(app) for name, app in PROGRAMS.items()}
ELSEWHERE = ("train-trl.md", "train-paddle.md")  # executed as a whole where the framework is
OFFLINE = re.compile(r"vlreward (?:data (?:scenes|check)|families|path|attack)\b")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(path: Path, *languages: str) -> Iterator[str]:
    for language, text in _BLOCK.findall(path.read_text(encoding="utf-8")):
        if language in languages:
            yield text


def is_translation(path: Path, of: Callable[[Path], object]) -> bool:
    """Whether a Chinese page has the very programs of its English page, where they are run."""
    name = path.relative_to(ROOT).as_posix()
    english = ROOT / name.replace("docs/zh/", "docs/").replace(".zh-CN", "")
    return english != path and english.exists() and of(english) == of(path)


def program(path: Path) -> str:
    """The Python of a page, without its comments."""
    return re.sub(r"\s*#.*$", "", "\n".join(blocks(path, "python")), flags=re.MULTILINE)


def commands(path: Path) -> Iterator[list[str]]:
    """Every call of a program of ours, as its arguments."""
    for block in blocks(path, "bash", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||&$|;", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # a command in a command
                    continue
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words = words[1:]
                if words and words[0] in PROGRAMS:
                    yield words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_python_of_a_guide_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = "\n".join(blocks(path, "python"))
    if not found or path.name in ELSEWHERE or is_translation(path, program):
        return
    if "register(" not in found:
        monkeypatch.chdir(tmp_path)
        exec(compile(found, path.name, "exec"), {"__name__": "__main__"})
        return
    # What it registers would be there for all tests that come after it.
    done = subprocess.run(
        [sys.executable, "-c", found],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def problems(words: list[str]) -> Iterator[str]:
    """What a command line names that its program does not know."""
    command: Any = COMMANDS[words[0]]
    known = {"--help"}
    rest = words[1:]
    while True:
        known |= {name for option in command.params for name in option.opts + option.secondary_opts}
        inner = getattr(command, "commands", None)
        if not inner:
            break
        if not rest or rest[0] not in inner:
            if "run" not in inner:
                yield f"no command {rest[:1]}"
                break
            rest = ["run", *rest]  # what `vlreward-bench` does without a command
        command, rest = inner[rest[0]], rest[1:]
    yield from (word for word in rest if word.startswith("-") and word.split("=")[0] not in known)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_guide_exist(path: Path) -> None:
    for words in commands(path):
        assert not list(problems(words)), words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_needs_no_data_is_executed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if is_translation(path, lambda page: list(commands(page))):
        return
    for words in commands(path):
        line = shlex.join(words)
        files = [word for word in words if word.endswith((".jsonl", ".json", ".parquet", ".csv"))]
        if path.name in ELSEWHERE or not OFFLINE.match(line):
            continue
        if not all(Path(file).exists() for file in files):
            continue
        result = CliRunner().invoke(PROGRAMS[words[0]], words[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"


def test_the_options_of_easyr1s_configuration_are_settings() -> None:
    guide = yaml.safe_load((ROOT / "docs/trainers/easyr1.yaml").read_text(encoding="utf-8"))
    options = guide["worker"]["reward"]["reward_function_kwargs"]
    assert Settings(**options).weights == {"correct": 1.0, "format": 0.5}


def test_every_failure_code_has_a_remedy() -> None:
    text = (ROOT / "docs/failures.md").read_text(encoding="utf-8")
    for code in FailureCode:
        assert f"`{code}`" in text, code
    choices = set(re.findall(r"`(multiple_\w+|no_\w+)`", text))
    assert choices <= {code.value for code in FailureCode}
