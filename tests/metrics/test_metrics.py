"""The package's lazy re-exports."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from vlreward import metrics

HEAVY = ["numpy", "shapely", "sympy", "PIL", "pydantic", "math_verify", "statistics"]


def test_every_public_name_of_every_module_is_reexported_from_there() -> None:
    found = {}
    for module in pkgutil.iter_modules(metrics.__path__):
        for name in import_module(f"vlreward.metrics.{module.name}").__all__:
            assert name not in found
            found[name] = module.name
    assert sorted(found) == sorted(metrics.__all__)
    for name, module_name in found.items():
        owner = import_module(f"vlreward.metrics.{module_name}")
        assert getattr(metrics, name) is getattr(owner, name)
    assert set(metrics.__all__) <= set(dir(metrics))


def test_unknown_names_raise_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'vlreward.metrics' has no attribute 'box_uio'"):
        _ = metrics.box_uio
    with pytest.raises(ImportError, match="box_uio"):
        exec("from vlreward.metrics import box_uio")


@pytest.mark.parametrize(
    "use",
    [
        "pass",
        "from vlreward.metrics import box_ciou, count_soft, pixel_iou, repetition",
        "from vlreward.geometry import Box; vlreward.metrics.box_iou(Box(0, 0, 1, 1), "
        "Box(0, 0, 2, 2))",
        "from vlreward.metrics import Interval, bootstrap_mean, polygon_iou",
    ],
)
def test_importing_and_scoring_loads_nothing_heavy(root: Path, use: str) -> None:
    code = (
        f"import sys, vlreward.metrics; {use}; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
