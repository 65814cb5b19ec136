"""What importing costs, measured in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORBIDDEN = {"sympy", "math_verify", "torch", "paddle", "transformers", "trl", "numpy", "shapely"}

FRAMEWORKS = {
    *("torch", "transformers", "accelerate", "datasets", "peft", "trl"),
    *("paddle", "paddleformers", "paddlenlp", "vlreward_trl", "vlreward_paddle"),
}


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


def test_the_commands_start_without_what_they_may_need() -> None:
    loaded = _run("import vlreward.cli, sys; print(*sys.modules)").split()
    assert {"vlreward.data.cli", "vlreward.doctor.cli", "vlreward.attack.cli"} <= set(loaded)
    assert {"pydantic", "vlreward.task", *FORBIDDEN}.isdisjoint(loaded)


def test_what_the_backends_share_loads_no_framework(root: Path) -> None:
    modules = sorted(path.stem for path in (root / "vlreward/training").glob("[a-z]*.py"))
    assert {"preparing", "rewards"} <= set(modules)
    names = ", ".join(f"vlreward.training.{name}" for name in modules)
    loaded = _run(f"import {names}, sys; print(*sys.modules)").split()
    assert {f"vlreward.training.{name}" for name in modules} <= set(loaded)
    assert FRAMEWORKS.isdisjoint(name.partition(".")[0] for name in loaded)


def test_what_the_first_version_documented_is_where_it_was() -> None:
    code = (
        "from vlreward.golds import pack\n"
        "from vlreward.judges import PlainJudge\n"
        "from vlreward.parsers import PARSERS, answer_region\n"
        "from vlreward.prompts import PRESETS, PromptTemplate\n"
        "from vlreward.rewards import REWARDS, TaskReward, TextReward, count_reward, iou_reward\n"
        "from vlreward.task import AnswerTerm, TaskSpec\n"
        "from vlreward.tasks import TASKS, get_task\n"
        "from vlreward.types import BoxGold, Completion, CountGold, MathGold, OtherGold, Sample\n"
        "from vlreward.data import SCHEMAS, load, load_mixture\n"
        "from vlreward.frames import FAMILIES, Frame, ModelFamily, family_of, smart_resize\n"
        "from vlreward.geometry import Box, Polygon, Size\n"
        "from vlreward.verify import Policy, check_gold, verify, verify_batch\n"
        "assert {'rec', 'r1-v'} <= set(SCHEMAS) and 'rec-r1' in PRESETS\n"
        "assert get_task('rec', protocol='vlm-r1').method == 'r1'\n"
        "assert Sample(id='1', gold=CountGold(count=2)).target == 2\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
