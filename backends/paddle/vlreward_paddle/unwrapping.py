"""The model inside the wrappers of data parallelism."""

from __future__ import annotations

from typing import Any

__all__ = ["unwrap"]


def unwrap(model: Any) -> Any:
    """The model itself: `paddle.DataParallel` and the sharding wrappers keep it in `_layers`
    or `_layer`."""
    while True:
        inner = getattr(model, "_layers", None) or getattr(model, "_layer", None)
        if inner is None or inner is model:
            return model
        model = inner
