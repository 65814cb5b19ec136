"""Runs the server."""

from __future__ import annotations

import sys
from collections.abc import Callable

from vlreward.integrations.server.options import ServerOptions

__all__ = ["serve"]

_SWITCH_INTERVAL = 0.0005


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
    try:
        from vlreward.integrations.server.app import create_app
        from vlreward.integrations.server.http import config_for, make_server
    except ImportError as error:
        raise ImportError(
            f"the reward server needs the extra 'serve' ({error}): pip install 'vlreward[serve]'"
        ) from error
    app = create_app(options)
    # Threads that wait for worker processes hand the interpreter back sooner than by default.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    make_server(config_for(app, options), ready).run()
