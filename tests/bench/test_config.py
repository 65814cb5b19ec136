"""A run from a YAML file: what it says, what the command line changes, what is written back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.runs import results
from vlreward.bench.cli import app
from vlreward.bench.config_file import read_config, write_config
from vlreward.bench.options import RunOptions
from vlreward.errors import OptionError
from vlreward.frames import Frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [{"id": str(n), "gold": n, "completion": f"<answer>{n}</answer>"} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), catch_exceptions=False)


RUN = """
suites: superclevr_test200        # one name, or a list
data: {completions: rows.jsonl}
rules:
  protocol: paddlemix
output: {out: told, expect: [1.0+-0.01]}
"""


def test_a_file_is_a_run_and_what_is_written_back_is_the_same_run(folder: Path) -> None:
    (folder / "run.yaml").write_text(RUN)
    assert run("--config", "run.yaml").exit_code == 0
    first = results(folder / "told")
    assert first["superclevr_test200"]["protocol"] == "paddlemix"
    assert yaml.safe_load((folder / "told" / "config.yaml").read_text()) == {
        "suites": ["superclevr_test200"],
        "data": {"completions": ["rows.jsonl"]},
        "rules": {"protocol": "paddlemix"},
        "output": {"out": "told", "expect": ["1.0+-0.01"]},
    }
    again = run("--config", "told/config.yaml", "--out", "again", "--protocol", "strict")
    assert again.exit_code == 0, again.output
    second = results(folder / "again")
    assert second["superclevr_test200"]["protocol"] == "strict"


def test_every_option_goes_through_the_file_and_back(tmp_path: Path) -> None:
    given = RunOptions(
        suites=["refcoco_val", "refcoco_testA"],
        model="m",
        engine="openai",
        base_url="http://me:secret@localhost:8000/v1",
        api_key="secret",
        options={"top_k": 5},
        samples=4,
        temperature=0.7,
        data_root=tmp_path,
        draw="chained",
        frame=Frame.NORM1000,
        max_error_rate=0.5,
        flat_images=True,
        out=tmp_path / "out",
    )
    text = write_config(given, tmp_path / "out").read_text()
    assert "secret" not in text
    found: dict[str, Any] = read_config(tmp_path / "out" / "config.yaml", RunOptions)
    assert found["base_url"] == "http://localhost:8000/v1"
    assert json.loads(found.pop("options")) == {"top_k": 5}
    found["frame"] = Frame(found["frame"])
    for name in ("data_root", "out"):
        found[name] = Path(found[name])
    expected = replace(given, api_key=None, options=None, base_url="http://localhost:8000/v1")
    assert RunOptions(**found) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output: {htlm: true}", "no option is called 'htlm'; did you mean 'html'?"),
        ("api_key: x", "no option is called 'api_key'"),
        ("config: x", "no option is called 'config'"),
        ("- 1", "expected options by name, got [1]"),
        ("a: [", "expected YAML: while parsing"),
        ("engine: {name: hf, engine: openai}", "'engine' is given twice"),
        ("!!python/object/apply:os.system [x]", "expected YAML: could not determine a constructor"),
    ],
)
def test_mistakes_name_file_and_key(folder: Path, text: str, message: str) -> None:
    (folder / "run.yaml").write_text(text)
    with pytest.raises(OptionError, match=r"^--config run.yaml: ") as error:
        read_config(Path("run.yaml"), RunOptions)
    assert message in str(error.value)
    result = run("--config", "run.yaml")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concurrency: many", "Invalid value for '--concurrency'"),
        ("engine: {temperature: -1}", "Invalid value for '--temperature'"),
        ("rules: {method: none of them}", "is not one of 'r1', 'baseline'"),
    ],
)
def test_values_are_checked_as_on_the_command_line(folder: Path, text: str, message: str) -> None:
    (folder / "run.yaml").write_text(f"suites: superclevr_test200\n{text}")
    result = run("--config", "run.yaml", "-c", "rows.jsonl")
    assert result.exit_code == 2
    assert message in result.stderr
