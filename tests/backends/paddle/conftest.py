"""Fixtures of the Paddle backend's tests; without paddle they are skipped, saying so."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[2]
HAVE_PADDLE = importlib.util.find_spec("paddle") is not None

if importlib.util.find_spec("vlreward_paddle") is None:
    sys.path.insert(0, str(_ROOT / "backends" / "paddle"))

if HAVE_PADDLE:
    with warnings.catch_warnings():
        # Its imports warn of ccache, distutils and others' deprecations.
        warnings.simplefilter("ignore")
        import paddle

        if importlib.util.find_spec("paddleformers") is not None:
            # Its modules are lazy: names must be asked for.
            from paddleformers.trainer import Trainer  # noqa: F401
            from paddleformers.transformers.model_utils import PretrainedModel  # noqa: F401

        paddle.set_device("cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here; warnings of paddle's own code are no errors."""
    for item in items:
        if str(item.path).startswith(f"{_HERE}/"):
            item.add_marker(pytest.mark.paddle)
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def cases() -> Path:
    """What `make_fixtures.py` wrote."""
    return _ROOT / "tests" / "cases" / "paddle"


@pytest.fixture
def model(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A tiny checkpoint with its processor, which writes answers now and then."""
    from tests.backends.paddle.tiny import write_processor

    return write_processor(Path(shutil.copytree(checkpoint(), tmp_path / "model")))


@pytest.fixture(scope="session")
def checkpoint(cases: Path) -> Callable[..., Path]:
    """The directory of the tiny checkpoint of a family."""
    return lambda family="qwen2_5_vl": cases / family
