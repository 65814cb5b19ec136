"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Seeded, so that a failure today is a failure tomorrow; no time limit, since machines are shared.
settings.register_profile("vlreward", deadline=None, derandomize=True)
settings.load_profile("vlreward")

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded completions, annotations and images that are too large for the repository."""
    path = _ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"the recorded completions are not at {path}")
    return path
