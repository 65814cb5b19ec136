"""`vlreward-train-trl`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    Errors of the options or of the data end in one message and exit code 2; anything else is a
    bug, or a failure of the training itself, and shows its traceback.
    """
    try:
        import trl  # noqa: F401
    except ImportError as error:
        missing = f"the TRL backend needs {error.name!r}, which is not installed"
        _fail(ImportError(f"{missing}: pip install 'vlreward[trl]'"))
    from vlreward.data.errors import DataError
    from vlreward.errors import OptionError
    from vlreward.registry import UnknownNameError
    from vlreward_trl.arguments import parse

    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        from vlreward_trl.preparing import prepare

        run = prepare(options)
    except (OptionError, DataError, UnknownNameError, FileNotFoundError) as error:
        _fail(error)
    if options.arguments.dry_run:
        from vlreward_trl.dry_run import describe

        if options.training.process_index == 0:
            print(describe(run))
        return
    from vlreward_trl.training import train

    train(run)


def _fail(error: Exception) -> None:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from error
