"""The self-test finds what is wrong, and says by its exit code that it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.questions import MODEL
from vlreward_paddle import cli, self_test
from vlreward_paddle.modeling import decoding
from vlreward_paddle.self_test import runs
from vlreward_paddle.self_test.checks import Check, LeftOut, Row, run_checks
from vlreward_paddle.self_test.numbers import number_checks


def distance(value: float) -> Check:
    return Check("distance", lambda: value, 0.1, "nats")


def raising(error: Exception) -> Check:
    def measure() -> float:
        raise error

    return Check("raising", measure, 0.1, "nats")


def test_outcomes() -> None:
    told: list[Row] = []
    checks = [distance(0.1), distance(0.2), distance(float("nan"))]
    checks += [raising(LeftOut("no card")), raising(ValueError("bad\nrest")), distance(0.0)]
    rows = run_checks(checks, told.append)
    assert told == rows
    outcomes = [row.outcome for row in rows]
    assert outcomes == ["ok", "FAILED", "FAILED", "left out", "FAILED", "ok"]
    assert (rows[3].note, rows[4].note) == ("no card", "bad")
    assert "ValueError: bad\nrest" in rows[4].detail


@pytest.fixture
def without_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "run_checks_of", lambda *_: [])


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--self-test", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def outcomes(table: str) -> dict[str, str]:
    return dict(re.findall(r"^(.+?) +(ok|FAILED|left out) ", table, flags=re.MULTILINE))


def test_numbers_are_right_here(without_runs: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    text = capsys.readouterr().out
    assert outcomes(text) == {
        "sampling beside training, float32": "ok",
        "sampling beside training, bfloat16": "left out",
        "sampling beside training, float16": "left out",
        "bfloat16 beside float32, emulated": "ok",
        "float16 beside float32": "left out",
        "sdpa beside eager": "ok",
        "flashmask beside sdpa": "left out",
        "fused norms beside written out": "left out",
    }
    assert text.splitlines()[-1] == "3 ok, 0 failed, 5 left out"


def test_the_page_names_every_check(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "paddle-gpu-checks.md").read_text(encoding="utf-8")
    for check in (*number_checks(Path(MODEL)), *runs.run_checks_of(Path(MODEL), tmp_path)):
        assert f"`{check.name.removesuffix(', emulated')}`" in page


def test_padding_that_is_seen_is_found(
    without_runs: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What flashmask once did: prompts attend to the padding before them."""

    def nothing_hidden(attended: Any) -> Any:
        return np.full(attended.shape, attended.shape[1], dtype=np.int32)

    monkeypatch.setattr(decoding, "hidden_padding", nothing_hidden)
    assert run() == 1
    assert outcomes(capsys.readouterr().out)["sampling beside training, float32"] == "FAILED"


def test_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--help"])
    assert "--self-test: check what this machine computes" in capsys.readouterr().out


def test_a_directory_without_a_checkpoint_is_bad_usage(tmp_path: Path) -> None:
    assert run("--model", str(tmp_path)) == 2


def test_weights_that_stayed_or_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    start, moved = {"w": np.zeros(4)}, {"w": np.full(4, 1e-3)}
    near = {"w": np.full(4, 1.001e-3)}
    assert runs._missed(start, moved, near) == pytest.approx(1e-3)
    with pytest.raises(RuntimeError, match="expected weights that training moved"):
        runs._missed(start, start, near)


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    made = runs.Runs(tmp_path / "none", tmp_path)
    with pytest.raises(RuntimeError, match=r"exit code 2: error: expected a directory with a Hug"):
        made.weights("one", "--max_steps", "1")


@pytest.mark.slow
def test_everything_is_right_here() -> None:
    """With its runs: resumption, and a step of stage1 beside data parallelism."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "vlreward_paddle", "--self-test"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "5 ok, 0 failed, 6 left out"
