"""The commands of `docs/train-trl.md`, word for word and in order, on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a session of its own

_BLOCK = re.compile(r"^## (.*?)$|^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_START = "From nothing to a number"


def _sections(root: Path) -> dict[str, str]:
    """The program of each section: bash, with Python as what bash gives to Python."""
    found: dict[str, str] = {}
    title = ""
    for heading, language, text in _BLOCK.findall((root / "docs/train-trl.md").read_text("utf-8")):
        if heading:
            title = heading
        elif title:
            if language == "python":
                prefix = "import os\nMODEL = os.environ['MODEL']\n"
                text = f"python - <<'END_OF_PYTHON'\n{prefix}{text}END_OF_PYTHON\n"
            found[title] = found.get(title, "") + text
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A directory with nothing but the checkout's scripts, in which the first section was run."""
    directory = tmp_path_factory.mktemp("guide")
    (directory / "backends").symlink_to(root / "backends")
    _run(_sections(root)[_START], directory, root)
    return directory


def _run(program: str, place: Path, root: Path, setting: str = "") -> str:
    here = [str(root), str(root / "backends/trl"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", setting + program],
        cwd=place,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(here),
            "PYTHONWARNINGS": "default",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


def _setting(root: Path) -> str:
    """What the first section exports for the others."""
    lines = _sections(root)[_START].splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("export "))


def test_the_first_section_ends_at_a_number(place: Path) -> None:
    assert (place / "runs/full/model.safetensors").is_file()
    assert (place / "bench/full/results.json").is_file()
    assert "<svg" in (place / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("A LoRA adapter", ["written: runs/merged", "+0.00%"]),
        ("Evaluation while training", ["evaluation at step 0: acc", "held out, greedy:"]),
        ("Stopping and going on", ["nothing is left to train", "goes on from runs/long/checkpo"]),
        ("Rewards and callbacks of your own", ["  brevity ", "step 1 is done", "  even "]),
        ("Questions that teach nothing", ["rows of scenes/counting.jsonl"]),
        ("Reading a run", ["counting"]),
        ("The published scripts", ["scenes_rec_test", "scenes_count_test", "scenes_geometry_test"]),
    ],
)
def test_each_section_runs(title: str, said: list[str], place: Path, root: Path) -> None:
    shown = _run(_sections(root)[title], place, root, _setting(root))
    for text in said:
        assert text in shown, shown[-3000:]


def test_no_section_is_left_out(root: Path) -> None:
    marks = test_each_section_runs.pytestmark  # type: ignore[attr-defined]
    tested = {row[0] for mark in marks for row in mark.args[1]}
    assert tested | {_START} == set(_sections(root))
