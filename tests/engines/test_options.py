"""`vlreward-bench` with an endpoint: wrong options, an older version's run, another run's place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.runs import results
from vlreward import cli
from vlreward.bench.cli import app


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-error-rate", "2"], "max-error-rate"),
        (["--concurrency", "0"], "concurrency"),
        (["--tries", "0"], "tries"),
        (["--requests-per-minute", "0"], "requests"),
        (["--base-url", "localhost:8000/v1"], "http://localhost:8000/v1"),
        (["--max-pixels", "100000", "--model", "foo", "--frame", "original_px"], "max_pixels"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_value_is_one_line_and_no_unmet_expectation(
    stub: Any, tmp_path: Path, options: list[str], message: str
) -> None:
    """Each of these ended in a traceback and exit code 1."""
    args = ["scenes_count_test", "--engine", "openai", "--base-url", stub.url, "--model", "m"]
    args += ["--sample-num", "3", "--out", str(tmp_path / "o"), *options]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message.replace("-", "_") in result.stderr.replace("-", "_")
    assert not stub.requests


MODEL = "Qwen/Qwen2.5-VL-3B-Instruct"


def ask(stub: Any, out: Path, *more: str) -> Result:
    args = ["scenes_count_test", "--engine", "openai", "--base-url", stub.url, "--out", str(out)]
    return CliRunner().invoke(app, [*args, "--model", MODEL, "--sample-num", "3", *more])


@pytest.mark.parametrize("answers", [3, 1], ids=["whole", "interrupted"])
def test_a_run_of_0_1_0_goes_on_where_it_was(
    stub: Any, root: Path, tmp_path: Path, answers: int
) -> None:
    out = tmp_path / "run"
    shutil.copytree(root / "tests" / "cases" / "runs" / "live_0.1.0", out)
    before = results(out)["scenes_count_test[3]"]
    file = out / "run_scenes_count_test.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: 1 + answers]))
    stub.reply = lambda n, body: stub.answer("<think>look</think><answer>3</answer>")
    result = ask(stub, out)
    assert result.exit_code == 0, result.output
    assert f"{answers} from an earlier run" in result.output
    assert len(stub.requests) == 3 - answers
    after = results(out)["scenes_count_test[3]"]
    known = ("acc", "n", "failures", "metrics", "model", "engine", "prompt_hash", "ids_sha256")
    assert {key: after[key] for key in known} == {key: before[key] for key in known}


def test_another_run_is_not_overwritten_unasked(stub: Any, root: Path, tmp_path: Path) -> None:
    """Results of other completions were replaced without a word, and a rescored run by itself."""
    out = tmp_path / "run"
    shutil.copytree(root / "tests" / "cases" / "runs" / "live_0.1.0", out)
    shutil.rmtree(out / "images")
    kept = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "1", "gold": 3, "completion": "<answer>3</answer>"}))
    recorded = ["scenes_count_test", "--completions", str(rows), "--out", str(out)]
    again = ["rescore", str(out), "--out", str(out)]
    other = ask(stub, out, "--model", "Qwen/Qwen2-VL-2B-Instruct")
    for result in (
        other,
        CliRunner().invoke(app, recorded),
        CliRunner().invoke(cli.app, again),
    ):
        assert result.exit_code == 2
        assert "holds another run (scenes_count_test[3]): write to another" in result.stderr
        assert {path: path.read_bytes() for path in kept} == kept
    assert not stub.requests
    assert not (out / "images").exists()  # those of a suite that is generated
    lost = ["scenes_count_test", "--model", str(tmp_path / "none"), "--out", str(out)]
    assert CliRunner().invoke(app, [*lost, "--overwrite"]).exit_code != 0
    assert {path: path.read_bytes() for path in kept} == kept  # until there are other results
    assert CliRunner().invoke(app, [*recorded, "--overwrite"]).exit_code == 0
    assert list(results(out)) == ["scenes_count_test"]
    assert not (out / "samples_scenes_count_test-3.jsonl").exists()
    assert CliRunner().invoke(app, recorded).exit_code == 0  # a run may replace itself
    assert ask(stub, out).exit_code == 2
    assert ask(stub, out, "--overwrite").exit_code == 0
    sampled = ask(stub, out, "--temperature", "0.5")
    assert sampled.exit_code == 2
    assert "sampling.temperature: the file has 0.0, this run 0.5" in sampled.stderr
    assert ask(stub, out, "--temperature", "0.5", "--overwrite").exit_code == 0
