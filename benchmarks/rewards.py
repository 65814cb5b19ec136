"""Microseconds per completion of the REC rewards, beside the rules that they replace, in one run.

    python benchmarks/rewards.py --data DIRECTORY_WITH_RECORDED_FILES [--out FILE]

The two sides take turns, so that a busy machine disturbs both alike; each number is a median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import originals
from device import describe_device

from vlreward.golds import pack
from vlreward.rewards import TaskReward, format_reward, iou_reward
from vlreward.types import Sample

ROUNDS = 61
BATCH = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of recorded files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/rewards.json")
    args = parser.parse_args()
    files = sorted(args.data.glob("rec_results_*.json"))
    if not files:
        parser.error(f"expected files rec_results_*.json in {args.data}, found none")
    rows = [row for file in files for row in json.loads(file.read_text())["results"]]
    result = {
        "device": describe_device(),
        "files": [file.name for file in files],
        "completions": len(rows),
        "median_chars": statistics.median(len(row["model_output"]) for row in rows),
        "microseconds_per_completion": compare(rows),
        "batch": batch(rows),
        "import_milliseconds": imports(),
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Every row with its own gold, as bare boxes and as envelopes, seen before or not."""
    completions = [[{"role": "assistant", "content": row["model_output"]}] for row in rows]
    golds = [row["ground_truth"] for row in rows]
    envelopes = [envelope(gold) for gold in golds]
    frames = ["original_px"] * len(rows)
    whole = TaskReward("rec")

    def ours_both() -> None:
        iou_reward(completions, golds, frame=frames)
        format_reward(completions)

    def theirs_both() -> None:
        originals.iou_rewards(completions, golds)
        originals.format_rewards(completions)

    sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "iou": (
            lambda: iou_reward(completions, golds, frame=frames),
            lambda: originals.iou_rewards(completions, golds),
        ),
        "iou and format": (ours_both, theirs_both),
        "iou and format, answer schema included, in one reward": (
            lambda: whole(completions, golds, frame=frames),
            theirs_both,
        ),
        "the same with gold envelopes": (lambda: whole(completions, envelopes), theirs_both),
        "the same with gold envelopes never seen before": (
            lambda: whole(completions, fresh.pop()),
            theirs_both,
        ),
    }
    # A millionth of a pixel makes an envelope another one.
    steps = iter(range(1, (ROUNDS + 1) * len(golds) + 1))
    fresh = [
        [envelope([x1, y1, x2 + next(steps) * 1e-6, y2]) for x1, y1, x2, y2 in golds]
        for _ in range(ROUNDS + 1)
    ]
    found = {}
    for name, (ours, theirs) in sides.items():
        ours()  # compiles patterns on both sides
        theirs()
        times: dict[str, list[float]] = {"ours": [], "originals": []}
        for _ in range(ROUNDS):
            for side, function in (("ours", ours), ("originals", theirs)):
                start = time.perf_counter()
                function()
                times[side].append((time.perf_counter() - start) / len(rows) * 1e6)
        medians = {side: round(statistics.median(values), 2) for side, values in times.items()}
        ratio = statistics.median(a / b for a, b in zip(times["ours"], times["originals"]))
        found[name] = {**medians, "ratio": round(ratio, 3)}
    return found


def batch(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One call with many completions: seconds, and peak memory above the inputs."""
    chosen = [rows[i % len(rows)] for i in range(BATCH)]
    completions = [[{"role": "assistant", "content": row["model_output"]}] for row in chosen]
    golds = [row["ground_truth"] for row in chosen]
    found: dict[str, Any] = {"completions": BATCH}
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: iou_reward(completions, golds, frame=["original_px"] * BATCH),
        "originals": lambda: originals.iou_rewards(completions, golds),
    }
    for side, function in sides.items():
        start = time.perf_counter()
        function()
        seconds = time.perf_counter() - start
        tracemalloc.start()
        function()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found[side] = {"seconds": round(seconds, 3), "peak_mib": round(peak / 2**20, 1)}
    return found


def imports() -> dict[str, float]:
    """Wall-clock time of importing in fresh interpreters: the rewards, and pydantic alone."""
    found = {}
    for statement in (
        "import vlreward.rewards",
        "from vlreward.rewards import iou_reward",
        "from pydantic import BaseModel",
    ):
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        times = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(9)
        ]
        found[statement] = round(statistics.median(times) * 1000, 1)
    return found


def envelope(gold: list[float]) -> str:
    fields = {"id": "1", "gold": {"task": "rec", "box": gold}, "frame": "original_px"}
    return pack(Sample.model_validate(fields))


if __name__ == "__main__":
    main()
