"""Every option of every command with a value that it cannot have: one line, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from vlreward import cli
from vlreward.bench import cli as bench_cli
from vlreward.bench.options import ASKING_FIELDS, RunOptions
from vlreward.options import flag
from vlreward_trl import demo as trl_demo

BENEATH_A_FILE = "FILE/x"
"""Stands for a path that can neither be read nor written, below a regular file."""
APPS = {"vlreward": cli.app, "vlreward-bench": bench_cli.app, "vlreward-train-demo": trl_demo.app}
BASE = {
    "vlreward attack": ["DATA", "--samples", "3"],
    "vlreward compare": ["RUN", "RUN2"],
    "vlreward data check": ["DATA", "--task", "counting", "--html", "OUT.html"],
    "vlreward data fetch": ["rec"],
    "vlreward data scenes": ["counting", "--out", "OUT"],
    "vlreward doctor": ["ROWS", "--task", "counting"],
    "vlreward merge": ["RUN", "--out", "OUT"],
    "vlreward pack": ["DATA", "OUT.jsonl", "--column", "packed"],
    "vlreward path": ["verl"],
    "vlreward report": ["RUN", "--html", "OUT.html"],
    "vlreward rescore": ["RUN", "--out", "OUT"],
    "vlreward serve": ["--port", "0"],
    "vlreward-bench demo": ["--recorded", "--out", "OUT"],
    "vlreward-bench list": [],
    "vlreward-bench run": ["superclevr_test200", "--completions", "ROWS", "--out", "OUT"],
    "vlreward-train-demo": ["--out", "OUT"],
}
"""What each command is called with beside the wrong option."""
ASKING = ["superclevr_test200", "--engine", "openai", "--model", "m", "--out", "OUT"]
ASKING += ["--data", "DATA", "--base-url", "http://127.0.0.1:9/v1", "--tries", "1"]
"""`vlreward-bench run` with a model, for the options that need one."""
WRONG: dict[str, list[str]] = {
    "--axis-order": ["", "zz"],
    "--attn-implementation": ["sdpa"],  # the engine of ASKING has no use for it
    "--base-model": ["m"],  # as above; and what vlreward merge is called with is no adapter
    "--base-url": ["", "localhost:8000/v1", "ftp://x/v1", "http://"],
    "--batch-size": ["0", "-1", "x", "1.5"],
    "--check-images": ["", "some"],
    "--column": [""],
    "--columns": ["gold", "gold=", "golds=answer"],
    "--completions": [BENEATH_A_FILE],
    "--concurrency": ["0", "-1", "x", "1000000"],
    "--config": [BENEATH_A_FILE],
    "--data": [BENEATH_A_FILE],
    "--data-root": [BENEATH_A_FILE],
    "--deadline": ["0", "-1", "x", "nan", "inf"],
    "--dest": [BENEATH_A_FILE],
    "--device-map": ["auto"],  # as above
    "--dtype": ["bf17"],
    "--engine": ["", "opnai", "vllm2"],
    "--engine-options": ["", "[]", "{", "3"],
    "--eval-every": ["-1", "x"],
    "--eval-samples": ["0", "x"],
    "--examples": ["-1", "x"],
    "--expect": ["", "x", "90.6+-0.5", "0.9", "nan+-1", "other=0.5+-0.1", "0.5+-2"],
    "--family": ["", "llama"],
    "--format": ["", "csv"],
    "--frame": ["", "pixels"],
    "--generations": ["1", "x"],
    "--host": ["", "no such host"],
    "--gold-frame": ["", "pixels", "norm1:xyz"],
    "--html": [BENEATH_A_FILE],
    "--image-root": [BENEATH_A_FILE],
    "--learning-rate": ["0", "-1", "x", "nan", "inf"],
    "--level": ["", "harder"],
    "--limit": ["0", "-1", "x"],
    "--margin": ["-1", "x", "nan"],
    "--max-disagreement": ["-1", "2", "x", "nan"],
    "--max-embed-mb": ["-1", "x", "nan"],
    "--max-error-rate": ["-0.1", "2", "x", "nan"],
    "--max-failures": ["-1", "2", "x", "nan"],
    "--max-golds": ["-1", "2", "x", "nan"],
    "--max-hard": ["0", "-1", "x"],
    "--max-length-correlation": ["-1", "2", "x", "nan"],
    "--max-multiple": ["-1", "2", "x", "nan"],
    "--max-outside": ["-1", "2", "x", "nan"],
    "--max-pending": ["0", "-1", "x"],
    "--max-pixels": ["0", "-1", "10", "x"],
    "--max-sampler": ["-1", "x", "nan"],
    "--max-timeouts": ["-1", "2", "x", "nan"],
    "--max-tokens": ["0", "-1", "x", "1.5"],
    "--max-truncated": ["-1", "2", "x", "nan"],
    "--max-zero-std": ["-1", "2", "x", "nan"],
    "--method": ["", "sft"],
    "--min-pixels": ["0", "-1", "x", "1000000000"],
    "--n": ["0", "-1", "x"],
    "--on-bad-gold": ["", "keep"],
    "--on-bad-image": ["", "keep"],
    "--on-missing": ["", "keep"],
    "--on-suspicious": ["", "skip"],
    "--out": [BENEATH_A_FILE],
    "--port": ["-1", "65536", "x"],
    "--processes": ["0", "-1", "x"],
    "--prompt": ["", "r2"],
    "--prompts": ["0", "x"],
    "--protocol": ["", "strickt"],
    "--requests-per-minute": ["0", "-5", "x", "nan", "inf"],
    "--sample-num": ["0", "-1", "x"],
    "--rounds": ["-1", "x"],
    "--samples": ["0", "x"],
    "--sampling": ["", "twice"],
    "--schema": ["", "csv"],
    "--seed": ["x", "1.5"],
    "--show": ["-1", "x"],
    "--source": ["", "gopher"],
    "--split": ["no such split"],
    "--steps": ["0", "x"],
    "--task": ["", "ocr"],
    "--terms": ["", "nothing"],
    "--temperature": ["-1", "nan", "11", "x"],
    "--timeout": ["0", "-1", "x", "nan", "inf"],
    "--token-file": [BENEATH_A_FILE, "EMPTY"],
    "--top-p": ["0", "2", "x", "nan", "0.5"],  # 0.5: not with greedy decoding
    "--tries": ["0", "-1", "x"],
    "--weights": ["x", "iou=x", "=1", "exact=nan"],
    "--workers": ["0", "-1", "x"],
    "--where": ["", "difficulty"],
}
ANY = {"--model"}
"""Options of which any value may be right: only the endpoint can tell, and its no is a 3."""
MATTER_TO_A_MODEL = {
    *(flag(RunOptions, name) for name in ASKING_FIELDS - {"engine", "model", "base_url"}),
    *("--data", "--data-root", "--flat-images", "--image-root", "--engine", "--base-url"),
}


def commands(app: typer.Typer, name: str) -> Iterator[tuple[str, Any]]:
    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
            return
        for word, child in inner.items():
            yield from walk(child, f"{path} {word}")

    yield from walk(typer.main.get_command(app), name)


def every_option() -> Iterator[tuple[str, str, bool]]:
    for name, app in APPS.items():
        for path, command in commands(app, name):
            for option in command.params:
                long = [text for text in option.opts if text.startswith("--")]
                if long and not {"--help", "--version"} & set(long):
                    yield path, long[0], bool(getattr(option, "is_flag", False))


OPTIONS = list(every_option())
CASES = [
    (path, option, value)
    for path, option, is_flag in OPTIONS
    for value in (["maybe"] if is_flag else WRONG.get(option, []))
]


def test_every_option_has_a_wrong_value_here() -> None:
    named = {option for _, option, is_flag in OPTIONS if not is_flag}
    assert named - WRONG.keys() - ANY == set()
    assert {path for path, _, _ in OPTIONS} <= BASE.keys()
    assert len(CASES) > 200


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Input files that are fine, by the words that stand for them."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("FILE", "EMPTY"):
        (folder / name).write_text("")
    rows = [
        {
            "id": str(i),
            "question": "How many?",
            "ground_truth": i,
            "completion": "<answer>1</answer>",
        }
        for i in range(3)
    ]
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    (folder / "ROWS").with_suffix(".jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = [{"id": "1", "image_path": "a.png", "question": "How many?", "ground_truth": 4}]
    (folder / "DATA").with_suffix(".jsonl").write_text("\n".join(map(json.dumps, data)))
    runner = CliRunner()
    for name in ("RUN", "RUN2"):
        args = ["superclevr_test200", "-c", str(folder / "ROWS.jsonl"), "-o", str(folder / name)]
        assert runner.invoke(bench_cli.app, args).exit_code == 0
    found = {name: str(folder / name) for name in ("FILE", "EMPTY", "RUN", "RUN2")}
    return {**found, "ROWS": str(folder / "ROWS.jsonl"), "DATA": str(folder / "DATA.jsonl")}


@pytest.mark.parametrize(("path", "option", "value"), CASES, ids=lambda value: value or "''")
def test_a_wrong_value_is_one_line_and_exit_code_2(
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    option: str,
    value: str,
) -> None:
    name, *words = path.split()
    asking = path == "vlreward-bench run" and option in MATTER_TO_A_MODEL
    base = list(ASKING if asking else BASE[path])
    if option == "--data-root":
        base = base[: base.index("--data")]
    if option in ("--min-pixels", "--max-pixels"):
        base += ["--family", "qwen2.5-vl"]
    if option in base:
        at = base.index(option)
        del base[at : at + 2]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    given = [f"{option}={value}"]
    args = [_place(word, files, tmp_path) for word in (*words, *base, *given)]
    result = CliRunner().invoke(APPS[name], args)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert not (tmp_path / "OUT" / "results.json").exists()


def _place(word: str, files: dict[str, str], tmp_path: Path) -> str:
    head, equals, value = word.partition("=")
    if equals:
        return head + equals + _place(value, files, tmp_path)
    first, slash, rest = word.partition("/")
    if first in files:
        return files[first] + slash + rest
    return str(tmp_path / word) if word.startswith("OUT") else word
