"""Inputs that fuzzing kept, and those of the tables, replayed without the fuzzer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Check = Callable[[bytes], None]


@pytest.fixture(scope="module")
def check(root: Path) -> Check:
    """The properties that the fuzzer checks."""
    path = root / "tests" / "fuzz" / "verify_checks.py"
    spec = importlib.util.spec_from_file_location("verify_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Check = module.check
    return found


def test_the_corpus_of_the_fuzzer(root: Path, check: Check) -> None:
    files = sorted((root / "tests" / "fuzz" / "corpus_verify").iterdir())
    assert files
    for file in files:
        check(file.read_bytes())


@pytest.mark.parametrize("table", ["geoqa_pairs", "math_verify_published", "verdict_table"])
def test_the_tables(cases: Callable[[str], list[dict[str, Any]]], check: Check, table: str) -> None:
    for row in cases(table):
        check(f"{row['gold']}\0{row['answer']}".encode())
