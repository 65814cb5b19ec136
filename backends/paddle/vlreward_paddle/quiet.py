"""Keeps what the libraries say of themselves, and nobody can do anything about, off the screen."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_imports"]

_LOGGERS = ("PaddleFormers", "PaddleNLP", "transformers")


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
