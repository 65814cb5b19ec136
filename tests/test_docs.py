"""What the documents say of one another, of the model and of the tests is true."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from tests.tiny import PACKAGED

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("heading", ["Add a task", "Add a suite"])
def test_a_task_and_a_suite_take_few_lines(root: Path, heading: str) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = _BLOCK.findall(section)[0].splitlines()
    assert 10 < len(lines) <= 40


def _millions(name: str) -> str:
    """Parameters of a packaged model."""
    with (PACKAGED / name / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
    return f"{sum(map(math.prod, shapes)) / 1e6:.1f}"


def test_the_packaged_models_are_as_large_as_they_say(root: Path) -> None:
    for guide in ("train-trl.md", "train-paddle.md"):
        half = _millions("half")
        assert f"model of {half} million parameters" in (root / "docs" / guide).read_text("utf-8")
        chinese = (root / "docs/zh" / guide).read_text("utf-8")
        assert f"{float(half) * 100:.0f} 万参数的模型" in chinese
    millions = _millions("sft")
    assert f"{millions}-million-parameter" in (root / "README.md").read_text(encoding="utf-8")
    chinese = (root / "README.zh-CN.md").read_text(encoding="utf-8")
    assert f"{float(millions) * 100:.0f} 万参数" in chinese
    bench = (root / "vlreward" / "bench" / "cli.py").read_text(encoding="utf-8")
    assert f"{millions}-million-parameter" in bench


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_where_the_key_comes_from_is_said(root: Path, name: str) -> None:
    assert "`OPENAI_API_KEY`" in (root / name).read_text(encoding="utf-8")


def test_both_readmes_show_the_same_code(root: Path) -> None:
    fence = re.compile(r"^```\w*\n.*?^```", re.DOTALL | re.MULTILINE)
    english, chinese = (fence.findall((root / name).read_text("utf-8")) for name in FILES[:2])
    strip = re.compile(r"\s*#.*$", re.MULTILINE)  # comments are translated
    assert [strip.sub("", b) for b in english] == [strip.sub("", b) for b in chinese]


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    for name in FILES:
        text = (root / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            assert (root / target).exists(), f"{name} links to {target}"


def test_each_promise_names_tests_that_there_are(root: Path) -> None:
    named = re.findall(
        r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", (root / "docs/promises.md").read_text()
    )
    assert len(named) > 30
    for file, test in named:
        assert (root / file).is_file(), file
        assert not test or f"def {test}(" in (root / file).read_text("utf-8"), f"{file}::{test}"
