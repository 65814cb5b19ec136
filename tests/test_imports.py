"""What importing costs, measured in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys

FORBIDDEN = {"sympy", "math_verify", "torch", "paddle", "transformers", "trl", "numpy", "shapely"}


def _run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_rewards_load_no_framework_and_no_sympy() -> None:
    code = "from vlreward.rewards import iou_reward, math_reward; import sys; print(*sys.modules)"
    loaded = _run(code).split()
    assert "vlreward.tasks" in loaded
    assert FORBIDDEN.isdisjoint(loaded)


def test_the_module_of_the_rewards_loads_them_when_asked() -> None:
    loaded = _run("import vlreward.rewards, sys; print(*sys.modules)").split()
    assert "vlreward.rewards" in loaded
    assert "pydantic" not in loaded
    names = _run(
        "import vlreward.rewards as r; print(*[n for n in r.__all__ if not getattr(r, n)])"
    )
    assert names == "\n"


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = _run("import vlreward, sys; print(*sys.modules)").split()
    assert [name for name in loaded if name.startswith("vlreward")] == ["vlreward"]
    assert "pydantic" not in loaded
