"""`kill -9` and full disks at any moment: the same command ends with everything, nothing torn."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.endpoint import serving
from tests.runs import results
from vlreward.bench.cli import app
from vlreward.data import load
from vlreward.scenes import scenes
from vlreward.scenes.export import export_scenes

_MOMENTS = pytest.mark.parametrize(
    "kills", [1, pytest.param(50, marks=pytest.mark.slow, id="fifty")]
)
_EXPORT = (
    "import sys\n"
    "from vlreward.scenes.export import export_scenes\n"
    "print(flush=True)\n"
    "export_scenes('counting', sys.argv[1], int(sys.argv[2]))\n"
)
_BENCH = "from vlreward.bench.cli import app\nprint(flush=True)\napp()\n"


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Answers every question with three."""
    with serving() as stub:
        stub.models = (200, b'{"data": [{"id": "three"}]}')
        stub.reply = lambda number, body: stub.answer("<answer>3</answer>")
        yield stub.url


def _killed(code: str, arguments: list[str], after: float) -> None:
    """Run until that many seconds after everything is imported."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.kill()
    process.communicate()


def _limited(code: str, arguments: list[str], size: int) -> str:
    """Run with no file larger than that many bytes, as on a disk that is full; gives the output."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    # -B: what Python cannot write whole it writes torn, and reads again wherever it is installed.
    command = [sys.executable, "-B", "-c", f"import signal\n{_IGNORE}\n{code}", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert run.returncode != 0
    return run.stderr


_IGNORE = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"


def _check_images(folder: Path) -> int:
    """Every image that has its name is whole."""
    found = 0
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.load()
        found += 1
    return found


class TestExports:
    def _check(self, directory: Path, number: int) -> None:
        data = load(export_scenes("counting", directory, number), image_root=directory)
        assert len(data) == _check_images(directory / "images") == number

    @_MOMENTS
    def test_killed(self, tmp_path: Path, kills: int) -> None:
        dice = random.Random(kills)
        for number in range(kills):
            directory = tmp_path / f"{number}"
            _killed(_EXPORT, [str(directory), "300"], dice.uniform(0, 0.4))
            _check_images(directory / "images")
            self._check(directory, 300)

    @pytest.mark.parametrize("size", [0, 100, 700, 10_000])
    def test_a_full_disk(self, tmp_path: Path, size: int) -> None:
        assert "File too large" in _limited(_EXPORT, [str(tmp_path), "100"], size)
        _check_images(tmp_path / "images")
        assert not (tmp_path / "counting.jsonl").exists()
        self._check(tmp_path, 100)

    @pytest.mark.parametrize("left", [0, 1, 100, -1])
    def test_a_torn_image_is_made_again(self, tmp_path: Path, left: int) -> None:
        (scene,) = scenes("rec", "test", 1)
        path = tmp_path / "a.png"
        scene.save_image(path)
        whole, made = path.read_bytes(), path.stat().st_mtime_ns
        scene.save_image(path)
        assert path.stat().st_mtime_ns == made
        path.write_bytes(whole[:left])
        scene.save_image(path)
        assert path.read_bytes() == whole


class TestRuns:
    def _arguments(self, endpoint: str, out: Path) -> list[str]:
        options = {"--engine": "openai", "--base-url": endpoint, "--out": out, "--sample-num": 60}
        given = [str(part) for option in options.items() for part in option]
        return ["scenes_count_test", *given, "--html"]

    def _check(self, arguments: list[str], out: Path) -> None:
        run = CliRunner().invoke(app, arguments)
        assert run.exit_code == 0, run.output
        (result,) = results(out).values()
        assert result["n"] == _check_images(out / "images") == 60
        assert (out / "report.html").read_text().rstrip().endswith("</html>")

    @_MOMENTS
    def test_killed(self, tmp_path: Path, endpoint: str, kills: int) -> None:
        dice = random.Random(kills)
        for number in range(kills):
            out = tmp_path / f"{number}"
            arguments = self._arguments(endpoint, out)
            _killed(_BENCH, arguments, dice.uniform(0, 3))
            _check_images(out / "images")
            for name in ("results.json", "samples_scenes_count_test[60].jsonl"):
                if (out / name).exists():
                    assert (out / name).read_text().endswith("}\n")
            self._check(arguments, out)

    @pytest.mark.parametrize(
        "size", [4_000, *(pytest.param(n, marks=pytest.mark.slow) for n in (600, 20_000, 40_000))]
    )
    def test_a_full_disk(self, tmp_path: Path, endpoint: str, size: int) -> None:
        arguments = self._arguments(endpoint, tmp_path / "out")
        said = _limited(_BENCH, arguments, size)
        assert "File too large" in said
        assert "Traceback" not in said
        _check_images(tmp_path / "out" / "images")
        self._check(arguments, tmp_path / "out")
