"""Fixtures that every test may use."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import typer.testing
from hypothesis import settings

# Many tests start interpreters; each of them would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Seeded, so that a failure today is a failure tomorrow; no time limit, since machines are shared.
settings.register_profile("vlreward", deadline=None, derandomize=True)
settings.load_profile("vlreward")

_ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: the garbage collector need not walk it meanwhile.

    Nor later, by `gc.freeze`, but then Hypothesis does not see what refers to its generators.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _commands_are_built_once() -> Iterator[None]:
    """Typer builds a program anew at each call of its runner, which takes longer than most runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def _workers_end() -> Iterator[None]:
    """Of the verifier, where a test has started any."""
    yield
    if "vlreward.verify" in sys.modules:
        from vlreward.verify import shutdown

        shutdown()


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
