"""`vlreward-train-paddle`."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    Errors of the options or of the data end in one message and exit code 2. Anything else shows
    its traceback, and ends the process at once, so that the launcher ends the other ones instead
    of leaving them to wait.
    """
    missing = [
        name for name in ("paddle", "paddleformers") if importlib.util.find_spec(name) is None
    ]
    if missing:
        needed = f"the Paddle backend needs {missing[0]!r}, which is not installed"
        _fail(ImportError(f"{needed}: pip install 'vlreward[paddle]'"))
    from vlreward.data.errors import DataError
    from vlreward.errors import OptionError
    from vlreward.registry import UnknownNameError
    from vlreward_paddle.arguments import parse
    from vlreward_paddle.launching import end_on_error
    from vlreward_paddle.modeling.checkpoint import CheckpointError

    expected = (OptionError, CheckpointError, DataError, UnknownNameError, FileNotFoundError)
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        from vlreward_paddle.preparing import prepare

        run = prepare(options)
        if options.arguments.dry_run:
            from vlreward_paddle.dry_run import describe

            if max(0, options.training.local_rank) == 0:
                print(describe(run))
            return
        from vlreward_paddle.training import train

        with end_on_error():
            train(run)
    except expected as error:
        _fail(error)


def _fail(error: Exception) -> None:
    from vlreward_paddle.launching import leave

    print(f"error: {error}", file=sys.stderr)
    if os.environ.get("PADDLE_TRAINERS_NUM", "1") == "1":
        raise SystemExit(2) from error
    leave(2)
