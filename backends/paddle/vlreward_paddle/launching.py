"""A process that fails among several ends at once, with its message."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["end_on_error", "leave"]


@contextmanager
def end_on_error() -> Iterator[None]:
    """Show the traceback of what is raised inside, and end the process.

    The launcher then ends the other processes. Without this, the failing one would first wait in
    its clean-up for the others, which wait for it. A process alone raises as usual.
    """
    try:
        yield
    except Exception:
        if os.environ.get("PADDLE_TRAINERS_NUM", "1") == "1":
            raise
        traceback.print_exc()
        leave(1)


def leave(code: int) -> None:
    """Exit without clean-up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
