"""Fixtures of the tests for trainers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vlreward.verify import shutdown


@pytest.fixture(autouse=True, scope="session")
def _end_workers() -> Iterator[None]:
    yield
    shutdown()
