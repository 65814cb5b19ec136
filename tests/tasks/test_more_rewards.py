"""The ready-made rewards of detection, pointing and choice, as trainers import them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import vlreward.rewards as rewards


def test_each_is_one_term_under_its_own_name() -> None:
    boxes = '<answer>[{"bbox_2d": [0, 0, 10, 5], "label": "cat"}]</answer>'
    golds = [[{"bbox_2d": [0, 0, 10, 10], "label": "cat"}]]
    assert rewards.detection_reward([boxes], solution=golds, frame=["original_px"]) == [0.5]
    point: dict[str, Any] = {"solution": [[0, 0, 10, 10]], "frame": ["original_px"]}
    assert rewards.point_reward(["<answer>[10, 5]</answer>"], **point) == [1.0]
    assert rewards.point_closeness_reward(["<answer>[5, 5]</answer>"], **point) == [1.0]
    assert rewards.choice_reward(["<answer>B</answer>", "A or B"], solution=["B", "B"]) == [
        1.0,
        0.0,
    ]
    for name in ("detection_reward", "point_reward", "point_closeness_reward", "choice_reward"):
        reward = getattr(rewards, name)
        assert reward.__name__ == name
        assert pickle.loads(pickle.dumps(reward)) == reward
        assert rewards.REWARDS.get(name) == reward


def test_loading_them_loads_neither_numpy_nor_scipy() -> None:
    code = (
        "import sys; from vlreward.rewards import choice_reward, detection_reward, point_reward; "
        "reward = detection_reward(['<answer>None</answer>'], solution=['None'], "
        "frame=['original_px']); assert reward == [1.0], reward; "
        "print([m for m in ('numpy', 'scipy', 'sympy', 'shapely') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
