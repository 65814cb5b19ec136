"""What comes before paddle is imported: the engine of `vlreward-bench`, and what imports need."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlreward.engines.base import Engine, EngineConfig

__all__ = ["make_engine", "quiet_imports", "use_avx2"]

_INFO = Path("/proc/cpuinfo")
_LOGGERS = ("PaddleFormers", "PaddleNLP", "transformers")


def make_engine(config: EngineConfig) -> Engine:
    """Build the engine.

    Raises:
        ImportError: If paddle or paddleformers is missing; names the extra.
        EngineError: If the engine cannot start.
    """
    use_avx2()
    try:
        with quiet_imports():
            from vlreward_paddle.engine import PaddleEngine
    except ImportError as error:
        raise ImportError(
            f"the engine 'paddle' needs {error.name!r}, which is not installed: "
            "pip install 'vlreward[paddle]'"
        ) from error
    return PaddleEngine(config)


def use_avx2(info: Path = _INFO) -> bool:
    """Let this process use the vector units of AMD's processors; call it before paddle computes.

    Paddle for CPUs brings MKL of 2019, which takes every processor but Intel's for one without
    AVX2: products of matrices then take three times as long. It has a variable that says otherwise.

    Args:
        info: What the kernel says of the processors.

    Returns:
        Whether the variable was set; what a user set stays.
    """
    if "MKL_DEBUG_CPU_TYPE" in os.environ or not info.is_file():
        return False
    text = info.read_text(encoding="utf-8", errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    if "AuthenticAMD" not in text or not {"avx2", "fma"} <= set(flags):
        return False
    os.environ["MKL_DEBUG_CPU_TYPE"] = "5"
    return True


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Import the libraries inside: they speak of compilers' caches and of torch, and later dump
    options. Errors stay, and Python's warnings about this project. With VLREWARD_VERBOSE=1 the
    libraries speak.
    """
    if os.environ.get("VLREWARD_VERBOSE") == "1":
        yield
        return
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
    for name in _LOGGERS:  # the libraries set their levels when they are imported
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(paddle|paddleformers|paddlenlp|setuptools)\b")
