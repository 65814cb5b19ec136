"""Microseconds per completion of the REC rewards, beside the rules that they replace, in one run.

    python benchmarks/rewards.py --data DIRECTORY_WITH_RECORDED_FILES [--out FILE]

The two sides take turns with every call, so that a busy machine disturbs both alike; the medians
and least times of the calls are added up.
"""

from __future__ import annotations

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
from device import describe_device, options_of, report

from vlreward.golds import pack
from vlreward.integrations.scorer import Scorer
from vlreward.integrations.settings import Settings
from vlreward.rewards import TaskReward, iou_reward
from vlreward.training.rewards import SharedScores
from vlreward.types import Sample

ROUNDS = 61
BATCH = 100_000
GROUP = 8
CALL = 64  # completions that a trainer scores in one call: eight questions
SHAPES = {
    "bare list": "<answer>BOX</answer>",
    "object": '<answer>{"bbox_2d": BOX}</answer>',
    "object with label": '<answer>{"bbox_2d": BOX, "label": "the man on the left"}</answer>',
    "list of one": '<answer>[{"bbox_2d": BOX, "label": "the man on the left"}]</answer>',
    "fenced": '<answer>```json\n[\n\t{"bbox_2d": BOX, "label": "the man on the left"}\n]\n```'
    "</answer>",
}
Completions = list[list[dict[str, str]]]


def main() -> None:
    parser = options_of(__doc__, "rewards")
    parser.add_argument("--data", type=Path, required=True, help="directory of recorded files")
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
    report(args.out, result)


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """IoU and format of each completion, by the way it is written and by the door it comes through.

    Calls have 64 completions, of which eight share a question, as GRPO passes them. The golds are
    envelopes, as trainers and servers have them; the last row takes bare boxes, each read anew for
    its question.
    """
    thoughts = [row["model_output"].partition("<answer>")[0] for row in rows]
    boxes = [list(map(round, row["ground_truth"])) for row in rows]
    questions = [i - i % GROUP for i in range(len(rows))]
    golds = [[float(v) for v in boxes[i]] for i in range(len(rows))]
    bare = [golds[i] for i in questions]
    envelopes = [envelope(gold) for gold in golds]
    packed = [envelopes[i] for i in questions]
    frames = ["original_px"] * len(rows)
    whole = TaskReward("rec")
    shared = SharedScores(whole)
    terms = [term.name for term in whole.spec.terms]
    scorer = Scorer(Settings(task="rec"))

    def published(completions: Completions, part: slice) -> None:
        originals.iou_rewards(completions, bare[part])
        originals.format_rewards(completions)

    def training(completions: Completions, part: slice) -> None:
        golds = packed[part]
        for term in terms:
            shared.scores(term, completions, golds)

    doors: dict[str, Callable[[Completions, slice], Any]] = {
        "published rules": published,
        "TaskReward()": lambda completions, part: whole(completions, packed[part]),
        "TaskReward.scores": lambda completions, part: whole.scores(completions, packed[part]),
        "training (vlreward-train-*)": training,
        "Scorer (verl, EasyR1, OpenRLHF, server)": lambda completions, part: scorer.scores(
            [completion[-1]["content"] for completion in completions], packed[part]
        ),
        "TaskReward(), bare boxes": lambda completions, part: whole(
            completions, bare[part], frame=frames[part]
        ),
    }
    parts = [slice(start, start + CALL) for start in range(0, len(rows), CALL)]
    found: dict[str, Any] = {}
    for shape, template in SHAPES.items():
        completions = [
            [{"role": "assistant", "content": thought + template.replace("BOX", str(box))}]
            for thought, box in zip(thoughts, boxes)
        ]
        times: dict[str, list[list[float]]] = {door: [] for door in doors}
        for part in parts:
            mine = completions[part]
            calls: dict[str, list[float]] = {door: [] for door in doors}
            for round_ in range(ROUNDS + 1):
                for door, function in doors.items():
                    start = time.perf_counter()
                    function(mine, part)
                    if round_:  # the first compiles patterns on both sides
                        calls[door].append((time.perf_counter() - start) * 1e6)
            for door, values in calls.items():
                times[door].append(values)
        medians, leasts = (
            {door: sum(of(call) for call in calls) / len(rows) for door, calls in times.items()}
            for of in (statistics.median, min)
        )
        found[shape] = {
            door: {
                "microseconds": round(medians[door], 2),
                "least": round(leasts[door], 2),
                "ratio": round(medians[door] / medians["published rules"], 2),
            }
            for door in doors
        }
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
