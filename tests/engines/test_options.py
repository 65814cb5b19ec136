"""Options of engines at the command line: a wrong value is one line and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

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
