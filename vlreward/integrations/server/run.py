"""Runs the server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial

from vlreward.integrations.scorer import Scorer
from vlreward.integrations.server.options import ServerOptions

__all__ = ["serve"]

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def serve(options: ServerOptions, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until told to end by SIGTERM or SIGINT, then answer what is in flight and return.

    A second signal ends at once.

    Args:
        options: Address, limits and settings.
        ready: Called with the address once connections are accepted.

    Raises:
        ImportError: If the extra `serve` is not installed.
        ValueError: If the settings fit no task.
        SystemExit: If the address cannot be listened on.
    """
    if options.processes == 1:
        _serve(options, ready)
        return
    Scorer(options.settings)  # refuses bad settings here, and not in each process again
    with tempfile.TemporaryDirectory(prefix="vlreward-metrics-") as directory:
        os.environ[_METRICS] = directory  # before any process imports prometheus_client
        try:
            _serve(options, ready)
        finally:
            del os.environ[_METRICS]


def _serve(options: ServerOptions, ready: Callable[[str], None] | None) -> None:
    try:
        from vlreward.integrations.server.app import create_app
        from vlreward.integrations.server.http import config_for, make_server, run_processes
    except ImportError as error:
        raise ImportError(
            f"the reward server needs the extra 'serve' ({error}): pip install 'vlreward[serve]'"
        ) from error
    if options.processes > 1:
        run_processes(config_for(partial(create_app, options), options), ready)
    else:
        make_server(config_for(create_app(options), options), ready).run()
