"""The engine `paddle` of `vlreward-bench`, found without importing paddle."""

from __future__ import annotations

from typing import Any

__all__ = ["make_engine"]


def make_engine(config: Any) -> Any:
    """Build the engine.

    Args:
        config: A `vlreward.engines.base.EngineConfig`.

    Raises:
        ImportError: If paddle or paddleformers is missing; names the extra.
        EngineError: If the engine cannot start.
    """
    try:
        from vlreward_paddle.engine import from_config
    except ImportError as error:
        raise ImportError(
            f"the engine 'paddle' needs {error.name!r}, which is not installed: "
            "pip install 'vlreward[paddle]'"
        ) from error
    return from_config(config)
