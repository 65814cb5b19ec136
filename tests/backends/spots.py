"""Rows of the test plug-in, whose golds and answers lie in frames, and their true rewards."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.tasks import TASKS

_PLUGIN = Path(__file__).resolve().parents[1] / "plugin"
_FRAMES = ("norm1000", "input_px", "original_px")


def use_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the plug-in's task known for the time of a test."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(_PLUGIN)])
    from vlreward_touch.spot import SPOT  # type: ignore[import-not-found]

    monkeypatch.setitem(TASKS._items, "spot", SPOT)


def write_spots(path: Path, count: int = 6) -> Path:
    """Rows with images of three sizes, each with another frame, axis order and radius."""
    lines = []
    for i in range(count):
        size = ((60, 84), (100, 45), (56, 112))[i % 3]
        name = f"spot{i}.png"
        Image.new("RGB", size, (40 * i, 90, 200)).save(path / name)
        gold = {"task": "spot", "x": 300 + 50 * i, "y": 400, "frame": "norm1000"}
        envelope = {
            "gold": gold,
            "image_size": size,
            "frame": _FRAMES[i % 3],
            "axis_order": ("xy", "yx")[i % 2],
            "metadata": {"radius": 100 + 10 * i},
        }
        row = {"image_path": name, "question": "where", "ground_truth": json.dumps(envelope)}
        lines.append(json.dumps(row) + "\n")
    file = path / "spots.jsonl"
    file.write_text("".join(lines), encoding="utf-8")
    return file


def check_traces(out: Path) -> int:
    """Compute the rewards of a run's traces anew, by hand; returns how many had an answer."""
    answered = 0
    for line in (out / "traces" / "rank-00000.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        i = int(row["id"].rpartition("/")[2]) - 1
        assert row["task"] == "spot"
        assert row["frame"] == _FRAMES[i % 3]
        if row["failure"] is not None:
            assert row["terms"]["near"] == 0
            continue
        answered += 1
        answer = re.findall(r"<answer>(.*?)</answer>", row["completion"], re.DOTALL)[-1]
        numbers = [int(number) for number in re.findall(r"\d+", answer.split("[")[-1])]
        pair = [numbers[0], numbers[min(1, len(numbers) - 1)]]
        assert row["answer"] == pair
        assert row["terms"]["near"] == pytest.approx(_near(i, pair, row))
    return answered


def _near(i: int, pair: list[int], row: dict[str, Any]) -> float:
    x, y = pair[::-1] if i % 2 else pair
    width, height = row["image_size"]
    if i % 3 == 0:
        x, y = x * width / 1000, y * height / 1000
    elif i % 3 == 1:
        x, y = x * width / row["input_size"][0], y * height / row["input_size"][1]
    gold = ((300 + 50 * i) * width / 1000, 400 * height / 1000)
    return max(0.0, 1 - math.dist((x, y), gold) / (100 + 10 * i))
