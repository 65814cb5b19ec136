"""Pure metric functions: validated values in, a number out, no input or output.

Importing this package loads none of its modules; each public name loads its own on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou
    from vlreward.metrics.compat import MISSING_BOX, pixel_iou
    from vlreward.metrics.counting import count_error, count_exact, count_soft, count_within_one

__all__ = [
    "MISSING_BOX",
    "box_ciou",
    "box_diou",
    "box_giou",
    "box_iou",
    "count_error",
    "count_exact",
    "count_soft",
    "count_within_one",
    "pixel_iou",
]

_MODULES = {
    "boxes": ("box_ciou", "box_diou", "box_giou", "box_iou"),
    "compat": ("MISSING_BOX", "pixel_iou"),
    "counting": ("count_error", "count_exact", "count_soft", "count_within_one"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
