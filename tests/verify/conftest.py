"""What the tests of the verifier share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vlreward.verify import engine

Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def cases(root: Path) -> Callable[[str], Rows]:
    """The rows of a table in tests/cases/verify."""

    def load(name: str) -> Rows:
        path = root / "tests" / "cases" / "verify" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    return load


@pytest.fixture
def no_cache() -> Iterator[None]:
    """Nothing is remembered from before, and nothing after."""
    engine.forget()
    yield
    engine.forget()
