"""The engine `paddle` of `vlreward-bench`, found without importing paddle."""

from __future__ import annotations

from vlreward.engines.base import Engine, EngineConfig
from vlreward_paddle.processor import use_avx2
from vlreward_paddle.quiet import quiet_imports

__all__ = ["make_engine"]


def make_engine(config: EngineConfig) -> Engine:
    """Build the engine.

    Args:
        config: The options.

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
