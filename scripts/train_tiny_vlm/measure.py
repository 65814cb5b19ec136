"""Measure a checkpoint: `python -m scripts.train_tiny_vlm.measure CHECKPOINT --out FILE.json`.

Greedy answers of stock transformers to the test scenes, scored by the strict protocol of the
built-in tasks, with 95% intervals, beside the blind baselines.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from scripts.train_tiny_vlm.baselines import baselines
from scripts.train_tiny_vlm.monitor import PROMPTS, greedy
from vlreward.engines.processor import load_processor
from vlreward.metrics.intervals import wilson_interval
from vlreward.scenes import LEVELS, TASKS, scenes
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.types import Completion

METRICS = {"rec": "acc@0.5", "counting": "acc", "geometry": "acc"}


def measure(path: Path, n: int, *, sample: bool = False) -> dict[str, Any]:
    """Accuracy by task and level on the first `n` test scenes of each level.

    Args:
        path: Directory of the checkpoint.
        n: Scenes of each task and level.
        sample: Draw answers at temperature 1 instead of the most probable ones.
    """
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32).eval()
    processor = load_processor(path)
    options: dict[str, Any] = {}
    if sample:
        options = {"do_sample": True, "temperature": 1.0, "top_k": 0}
    torch.manual_seed(0)
    table: dict[str, Any] = {}
    for name in TASKS:
        task = get_task(name)
        for level in LEVELS:
            items = list(scenes(name, "test", n, level=level))
            samples = [scene.to_sample() for scene in items]
            start, cpu = time.perf_counter(), time.process_time()
            texts = greedy(model, processor, items, batch=50, **options)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            scores = score_batch(task, [Completion(text) for text in texts], samples)
            right = sum(score.metrics[METRICS[name]] for score in scores)
            interval = wilson_interval(int(right), n)
            table[f"{name}/{level}"] = {
                METRICS[name]: right / n,
                "interval_95": [round(interval.low, 4), round(interval.high, 4)],
                "n": n,
                "format": sum(score.terms["format"] for score in scores) / n,
                "failures": sum(score.failure is not None for score in scores),
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
            }
            print(name, level, table[f"{name}/{level}"], flush=True)
    return table


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=300, help="scenes of each task and level")
    parser.add_argument("--sample", action="store_true", help="temperature 1 instead of greedy")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    table = measure(args.checkpoint, args.n, sample=args.sample)
    found = {
        "prompts": PROMPTS,
        "protocol": "strict",
        "sampled": args.sample,
        "threads": args.threads,
        "test": table,
        "blind": {
            name: {row.name: round(row.accuracy, 4) for row in baselines(name, "test", args.n * 3)}
            for name in TASKS
        },
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
